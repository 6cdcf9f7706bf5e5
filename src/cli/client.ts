/** Speaks to the API of a running Chorus. */
import { lookup } from 'node:dns/promises';
import { request } from 'node:http';
import { isIP } from 'node:net';
import { ChorusError, type ErrorCode, errorTable, reasonOf } from '#kit/errors.ts';
import { type Endpoint, formatEndpoint, parseEndpoint } from '#net/address.ts';

/** Options that say where the API is. */
export type ApiOptions = { readonly api?: string; readonly config?: string };

/** Port of the API where none is named. */
const apiPort = 8053;
/** How long an answer may take, in ms: a reload waits for all workers. */
const patience = 60_000;

/** The API of a running Chorus. Methods throw API_UNREACHABLE, or the error that the API answered. */
export type Client = {
  readonly endpoint: Endpoint;
  /** Gives the JSON of the answer. `T` is what the path is documented to give. */
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: Readonly<Record<string, unknown>>): Promise<T>;
  /** Gives the answer as it is, of a path that gives no single JSON value. */
  text(path: string): Promise<string>;
};

/** Finds the API: --api, else --config, else CHORUS_API, else 127.0.0.1:8053. Throws USAGE, or as loading a file does. */
export async function connect(options: ApiOptions, environment = process.env): Promise<Client> {
  const endpoint = await findApi(options, environment);
  return {
    endpoint,
    get: <T>(path: string) => call(endpoint, 'GET', path, undefined) as Promise<T>,
    text: path => call(endpoint, 'GET', path, undefined, text => text) as Promise<string>,
    post: <T>(path: string, body = {}) => call(endpoint, 'POST', path, JSON.stringify(body)) as Promise<T>,
  };
}

async function findApi({ api, config }: ApiOptions, environment: NodeJS.ProcessEnv): Promise<Endpoint> {
  if (api !== undefined) return endpointOf(api, '--api');
  if (config !== undefined) {
    const { loadConfigFile } = await import('#config/load.ts');
    const snapshot = loadConfigFile(config);
    if (!snapshot.api) throw new ChorusError('USAGE', { reason: `the API is off in ${config}` });
    return reachable(snapshot.api);
  }
  const named = environment.CHORUS_API;
  if (named !== undefined && named !== '') return endpointOf(named, 'CHORUS_API');
  return { address: '127.0.0.1', port: apiPort };
}

/** ADDRESS:PORT, where the address may be a name of a host. */
async function endpointOf(text: string, where: string): Promise<Endpoint> {
  const bare = text.replace(/^http:\/\//, '').replace(/\/$/, '');
  const literal = parseEndpoint(bare, apiPort);
  if (literal) return reachable(literal);
  const [, host, port = String(apiPort)] = /^([a-z0-9][a-z0-9._-]*)(?::(\d{1,5}))?$/i.exec(bare) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    const reason = `${where} ${text}: expected ADDRESS:PORT, such as 127.0.0.1:${apiPort}`;
    throw new ChorusError('USAGE', { reason });
  }
  try {
    // The API obeys only those who ask it by its address (DNS rebinding).
    const { address } = await lookup(host);
    return { address, port: Number(port) };
  } catch (error) {
    const unknown = error instanceof Error && 'code' in error && error.code === 'ENOTFOUND';
    const reason = unknown ? 'no host has that name' : reasonOf(error);
    throw new ChorusError('API_UNREACHABLE', { url: `http://${bare}`, reason });
  }
}

/** An API that listens on all addresses is reached on the loopback. */
function reachable({ address, port }: Endpoint): Endpoint {
  if (address === '0.0.0.0') return { address: '127.0.0.1', port };
  if (address === '::') return { address: '::1', port };
  return { address, port };
}

function call(
  endpoint: Endpoint,
  method: string,
  path: string,
  body: string | undefined,
  read: (text: string) => unknown = parse,
): Promise<unknown> {
  const url = `http://${formatEndpoint(endpoint)}`;
  const unreachable = (reason: string) => new ChorusError('API_UNREACHABLE', { url, reason });
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: endpoint.address,
        port: endpoint.port,
        family: isIP(endpoint.address),
        method,
        path,
        agent: false,
        headers:
          body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      response => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', chunk => {
          text += chunk;
        });
        response.on('error', error => reject(unreachable(error.message)));
        response.on('end', () => {
          const good = (response.statusCode ?? 0) < 300;
          const value = good ? read(text) : parse(text);
          if (value === undefined) reject(unreachable('what answers there is not Chorus'));
          else if (good) resolve(value);
          else reject(errorOf(value));
        });
      },
    );
    sent.setTimeout(patience, () => sent.destroy(new Error(`no answer within ${patience / 1000} s`)));
    sent.on('error', (error: NodeJS.ErrnoException) =>
      reject(unreachable(error.code === 'ECONNREFUSED' ? 'connection refused' : error.message)),
    );
    sent.end(body);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The error that the API answered with: the same one that it threw, where this version knows its code. */
function errorOf(value: unknown): ChorusError {
  const { code, message, details } = (value ?? {}) as Record<string, unknown>;
  if (typeof code === 'string' && Object.hasOwn(errorTable, code)) {
    return new ChorusError(code as ErrorCode, detailsOf(details));
  }
  return new ChorusError('API_REFUSED', {
    reason: typeof message === 'string' ? message : 'the API refused',
  });
}

function detailsOf(value: unknown): Record<string, string | number> {
  const found: Record<string, string | number> = {};
  for (const [key, detail] of Object.entries(typeof value === 'object' && value ? value : {})) {
    if (typeof detail === 'string' || typeof detail === 'number') found[key] = detail;
  }
  return found;
}
