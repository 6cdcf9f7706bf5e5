/** Ports that are free, for servers that must be told a number. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** Below the range that the kernel takes source ports from: a client on the port of its server would hear itself. */
const lowest = 10_000;
const highest = 30_000;
const given = new Set<number>();

/** A port that is free for UDP and TCP on all addresses, and that was not given before in this process. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (given.has(port) || !(await freeTcpPort(port)) || !(await freeUdpPort(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error('found no free port');
}

function freeTcpPort(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '::', () => server.close(() => resolve(true)));
  });
}

function freeUdpPort(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createSocket('udp6');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind(port, '::', () => socket.close(() => resolve(true)));
  });
}
