/** Ports that can be listened on. */
import dgram from 'node:dgram';
import net from 'node:net';
import type { Endpoint } from '#net/address.ts';

/** Whether TCP can be listened on there now. */
export function freeTcp(at: Endpoint): Promise<boolean> {
  return new Promise(resolve => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: at.address, port: at.port }, () => server.close(() => resolve(true)));
  });
}

/** Whether UDP can be listened on there now. */
export function freeUdp(at: Endpoint): Promise<boolean> {
  return new Promise(resolve => {
    const socket = dgram.createSocket(at.address.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', () => resolve(false));
    socket.bind(at.port, at.address, () => socket.close(() => resolve(true)));
  });
}

/** The first port from `from` on that is free for UDP and TCP, and none of `taken`; undefined where there is none. */
export async function freePortFrom(
  address: string,
  from: number,
  taken: ReadonlySet<number>,
): Promise<number | undefined> {
  for (let port = from; port <= 65_535; port++) {
    const at = { address, port };
    if (!taken.has(port) && (await freeTcp(at)) && (await freeUdp(at))) return port;
  }
  return undefined;
}
