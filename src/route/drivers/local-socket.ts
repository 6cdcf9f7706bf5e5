/** Connections to the sockets of daemons on this machine. */
import { connect, type Socket } from 'node:net';
import { ChorusError, reasonOf } from '#kit/errors.ts';

/** Connects to a local socket; rejects with an error of the table. The caller destroys what it is given. */
export function connectTo(where: string, daemon: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: where, signal });
    socket.once('error', error => {
      const code = 'code' in error ? error.code : undefined;
      const reasons: Readonly<Record<string, string>> = {
        ENOENT: 'there is no such socket',
        ECONNREFUSED: 'nothing listens there any more',
      };
      const reason = reasons[String(code)] ?? reasonOf(error);
      reject(
        code === 'EACCES' || code === 'EPERM'
          ? new ChorusError('ROUTE_DAEMON_PERMISSION', { daemon, where })
          : new ChorusError('ROUTE_DAEMON_UNREACHABLE', { daemon, where, reason }),
      );
    });
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      // What is wrong with it later ends it, and is heard as its end.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}
