/** Ports that are free, for servers that must be told a number. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const given = new Set<number>();

/** A port that is free for UDP and TCP on all addresses, and that was not given before in this process. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = await freeTcpPort();
    if (given.has(port) || !(await freeUdpPort(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error('found no free port');
}

function freeTcpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '::', () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port'));
        else resolve(address.port);
      });
    });
  });
}

function freeUdpPort(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createSocket('udp6');
    socket.once('error', () => resolve(false));
    socket.bind(port, '::', () => socket.close(() => resolve(true)));
  });
}
