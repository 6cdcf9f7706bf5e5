/** Where peers connect to us. Sessions with several routers share one listener of the same address and port. */
import net, { type Server, type Socket } from 'node:net';
import { guardServer, type TcpGuard, unguardServer } from '#net/tcp-guard.ts';

export type ListenerOptions = {
  readonly address: string;
  readonly port: number;
  /** The peer whose connections are meant; others find no listener. */
  readonly peer: string;
  readonly guard: TcpGuard;
  /** It has connected. */
  readonly accept: (socket: Socket) => void;
  /** The listener stands (null) or cannot be had. It is not tried again by itself. */
  readonly told: (failure: NodeJS.ErrnoException | null) => void;
};

type Shared = { readonly server: Server; readonly users: Set<ListenerOptions>; listening: boolean };

const listeners = new Map<string, Shared>();

/** Listens for a peer; gives what ends that. */
export function listen(options: ListenerOptions): () => void {
  const key = `${options.address} ${options.port}`;
  const shared = listeners.get(key) ?? open(key, options);
  shared.users.add(options);
  if (shared.listening) ready(shared, options);
  return () => {
    shared.users.delete(options);
    if (shared.users.size > 0) {
      unguardServer(shared.server, options.guard, options.peer);
      return;
    }
    if (listeners.get(key) === shared) listeners.delete(key);
    shared.server.close();
  };
}

function open(key: string, { address, port }: ListenerOptions): Shared {
  const server = net.createServer({ noDelay: true });
  const shared: Shared = { server, users: new Set(), listening: false };
  listeners.set(key, shared);
  server.on('connection', socket => {
    const from = socket.remoteAddress;
    const user = [...shared.users].find(({ peer }) => sameAddress(peer, from));
    if (user) user.accept(socket);
    else socket.resetAndDestroy();
  });
  server.on('error', failure => {
    if (listeners.get(key) === shared) listeners.delete(key);
    for (const { told } of shared.users) told(failure);
  });
  server.listen({ host: address, port, ipv6Only: address.includes(':'), exclusive: true }, () => {
    shared.listening = true;
    for (const user of shared.users) ready(shared, user);
  });
  return shared;
}

function ready({ server }: Shared, { guard, peer, told }: ListenerOptions): void {
  try {
    guardServer(server, guard, peer);
    told(null);
  } catch (thrown) {
    told(thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}

/** Node writes the scope of a link-local address behind it in its own way. */
function sameAddress(peer: string, from: string | undefined): boolean {
  return from !== undefined && bare(peer) === bare(from);
}

function bare(address: string): string {
  return address.replace(/%.*$/, '');
}
