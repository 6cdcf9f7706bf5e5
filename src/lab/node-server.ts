/** The sockets of a lab node: UDP and TCP on each of its addresses. */
import dgram from 'node:dgram';
import net from 'node:net';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import { type Endpoint, formatEndpoint, isIpv6 } from '#net/address.ts';
import { Frames, prefixBytes, writePrefix } from '#net/stream-framing.ts';
import type { Authority, Transport } from './answer.ts';
import { type Faults, fateOf } from './fault.ts';
import { respond } from './respond.ts';

/** A connection without traffic is closed after this time, in ms. */
const idleTimeout = 10_000;
const maxConnections = 200;
/** Octets that may wait for a slow reader before it is cut off. */
const sendBuffer = 1 << 20;
const receiveBuffer = 4 << 20;
/** Tries to find a port that is free for UDP and TCP alike, when any will do. */
const portTries = 20;

export type NodeOptions = {
  readonly authority: Authority;
  /** Port 0 takes any that is free. */
  readonly listen: readonly Endpoint[];
  readonly faults: Faults;
  /** A number in 0 … 1, the upper bound excluded; chooses each query's fate. */
  readonly random: () => number;
};

export type RunningNode = {
  /** Where it listens, with the ports that were taken. */
  readonly addresses: readonly Endpoint[];
  /** Queries taken, by transport. */
  readonly taken: { readonly udp: number; readonly tcp: number };
  /** Puts other faults in force. */
  setFaults(faults: Faults): void;
  /** Closes all sockets. */
  close(): Promise<void>;
};

type Closer = () => Promise<void>;

/** Opens the sockets and answers until it is closed. Throws ADDRESS_IN_USE and the like, having closed what was open. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const taken = { udp: 0, tcp: 0 };
  let { faults } = options;
  const handle = (bytes: Uint8Array, transport: Transport, send: (answers: Uint8Array[]) => void) => {
    taken[transport]++;
    const answers = respond(bytes, options.authority, transport, fateOf(faults, options.random()));
    if (answers.length === 0) return;
    if (faults.delay > 0) setTimeout(send, faults.delay, answers);
    else send(answers);
  };
  const closers: Closer[] = [];
  const close = async () => {
    await Promise.all(closers.splice(0).map(closer => closer()));
  };
  try {
    const addresses: Endpoint[] = [];
    for (const wanted of options.listen) addresses.push(await listen(wanted, handle, closers));
    return {
      addresses,
      taken,
      setFaults: next => {
        faults = next;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

type Handle = (bytes: Uint8Array, transport: Transport, send: (answers: Uint8Array[]) => void) => void;

async function listen(wanted: Endpoint, handle: Handle, closers: Closer[]): Promise<Endpoint> {
  for (let tries = 1; ; tries++) {
    const tcp = await listenTcp(wanted, handle);
    try {
      const udp = await listenUdp({ ...wanted, port: tcp.port }, handle);
      closers.push(tcp.close, udp);
      return { address: wanted.address, port: tcp.port };
    } catch (error) {
      await tcp.close();
      if (wanted.port !== 0 || tries === portTries) throw error;
    }
  }
}

function listenUdp(at: Endpoint, handle: Handle): Promise<Closer> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket({
      ...(isIpv6(at.address) ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' }),
      recvBufferSize: receiveBuffer,
    });
    let open = true;
    socket.once('error', error => reject(listenError(error, at, 'UDP')));
    socket.on('message', (bytes, from) =>
      handle(bytes, 'udp', answers => {
        // An address that cannot be reached is the client's matter.
        for (const octets of answers) if (open) socket.send(octets, from.port, from.address, () => {});
      }),
    );
    socket.bind(at.port, at.address, () => {
      socket.removeAllListeners('error').on('error', () => {});
      resolve(() => {
        open = false;
        return new Promise(done => socket.close(() => done()));
      });
    });
  });
}

function listenTcp(at: Endpoint, handle: Handle): Promise<{ port: number; close: Closer }> {
  return new Promise((resolve, reject) => {
    const connections = new Set<net.Socket>();
    const server = net.createServer({ noDelay: true }, socket => {
      connections.add(socket);
      const frames = new Frames();
      socket.setTimeout(idleTimeout, () => socket.destroy());
      socket.on('error', () => socket.destroy());
      socket.on('close', () => connections.delete(socket));
      socket.on('data', chunk => {
        frames.push(Buffer.from(chunk));
        for (let length = frames.next(); length >= 0; length = frames.next()) {
          handle(frames.bytes.subarray(frames.at, frames.at + length), 'tcp', answers => {
            if (socket.writableLength > sendBuffer) socket.destroy();
            for (const octets of answers) if (socket.writable) socket.write(framed(octets));
          });
        }
      });
    });
    server.maxConnections = maxConnections;
    server.once('error', error => reject(listenError(error, at, 'TCP')));
    server.listen({ host: at.address, port: at.port, ipv6Only: true }, () => {
      server.removeAllListeners('error').on('error', () => {});
      const bound = server.address();
      const close: Closer = () =>
        new Promise(done => {
          for (const socket of connections) socket.destroy();
          server.close(() => done());
        });
      resolve({ port: bound !== null && typeof bound === 'object' ? bound.port : at.port, close });
    });
  });
}

function listenError(error: NodeJS.ErrnoException, at: Endpoint, protocol: string): ChorusError {
  const address = formatEndpoint(at);
  if (error.code === 'EADDRINUSE') return new ChorusError('ADDRESS_IN_USE', { address, protocol });
  if (error.code === 'EADDRNOTAVAIL') return new ChorusError('ADDRESS_NOT_AVAILABLE', { address, protocol });
  if (error.code === 'EACCES') return new ChorusError('PERMISSION', { address, protocol });
  return new ChorusError('LISTEN_FAILED', { address, protocol, reason: reasonOf(error) });
}

/** The message behind its length. */
function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(prefixBytes + message.length);
  writePrefix(bytes, 0, message.length);
  bytes.set(message, prefixBytes);
  return bytes;
}
