/** The HTTP server of the API: status, metrics and commands. A request never brings it down. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ChorusError } from '#kit/errors.ts';
import type { Log } from '#kit/log.ts';
import { type Endpoint, formatEndpoint } from '#net/address.ts';
import type { Control } from './control.ts';
import { refusal } from './guard.ts';
import { type Answer, failure, send } from './respond.ts';
import { findRoute } from './routes.ts';

/** Bounds of a request. Times in ms. */
const limits = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 8 * 1024,
} as const;
/** A connection on which nothing moves for so long is closed, ms: longer than two reloads that wait for silent workers. */
const silenceAtMost = 120_000;
/** Connections at once; further ones are closed. */
const connectionsAtMost = 256;

const badRequest = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

/** A running API. */
export type ApiServer = {
  /** Where it listens: the port is the real one where 0 was asked for. */
  readonly endpoint: Endpoint;
  /** Stops it; what is being answered is cut off. */
  close(): Promise<void>;
};

/** Starts the API. Throws ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE, PERMISSION or LISTEN_FAILED. */
export async function startApi(endpoint: Endpoint, control: Control, log: Log): Promise<ApiServer> {
  const server = createServer(limits, (request, response) => {
    void answer(control, request, response, log);
  });
  server.maxConnections = connectionsAtMost;
  server.timeout = silenceAtMost;
  // Without a listener Node closes the connection too; with one, the client learns why.
  server.on('clientError', (_error, socket) => {
    if (!socket.writable) socket.destroy();
    // Whether the client closes its side or not: it must not hold its place.
    else socket.end(badRequest, () => socket.destroy());
  });
  await listen(server, endpoint);
  server.on('error', error => log.error('API server', { reason: error.message }));
  const bound = server.address();
  const port = typeof bound === 'object' && bound ? bound.port : endpoint.port;
  return {
    endpoint: { address: endpoint.address, port },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, { address, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const details = { address: formatEndpoint({ address, port }), protocol: 'HTTP', reason: error.message };
      reject(new ChorusError(listenErrors[error.code ?? ''] ?? 'LISTEN_FAILED', details));
    });
    server.listen({ host: address, port, ipv6Only: address.includes(':') }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

const listenErrors: Readonly<
  Record<string, 'ADDRESS_IN_USE' | 'ADDRESS_NOT_AVAILABLE' | 'PERMISSION' | undefined>
> = {
  EADDRINUSE: 'ADDRESS_IN_USE',
  EADDRNOTAVAIL: 'ADDRESS_NOT_AVAILABLE',
  EACCES: 'PERMISSION',
};

async function answer(
  control: Control,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
): Promise<void> {
  const result = await answerOf(control, request).catch((thrown: unknown): Answer => {
    if (!(thrown instanceof ChorusError) && !response.destroyed) {
      const stack = thrown instanceof Error ? (thrown.stack ?? '') : String(thrown);
      log.error('API request failed', { method: request.method ?? '', path: request.url ?? '', stack });
    }
    const allowed =
      thrown instanceof ChorusError && thrown.code === 'HTTP_METHOD' ? thrown.details.allowed : undefined;
    return failure(thrown, allowed === undefined ? {} : { allow: String(allowed) });
  });
  if (response.destroyed) return;
  // A body that was not read to its end must not be taken for the next request.
  if (!request.complete) response.shouldKeepAlive = false;
  send(response, result);
}

async function answerOf(control: Control, request: IncomingMessage): Promise<Answer> {
  const method = request.method ?? 'GET';
  const path = (request.url ?? '/').split(/[?#]/)[0]!;
  const { route, name } = findRoute(method, path);
  if (route.method !== 'GET') {
    const reason = refusal(request.headers, request.socket.localAddress ?? '');
    if (reason !== null) throw new ChorusError('HTTP_FORBIDDEN', { reason });
  }
  return route.answer(control, request, name);
}
