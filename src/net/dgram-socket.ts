/** UDP sockets of Node's dgram, opened without waiting: addresses are literals, so nothing needs a look-up. */
import dgram, { type Socket } from 'node:dgram';

/** Bytes that may wait in Node for a full socket; what comes then is dropped, as the kernel would. */
const maxQueued = 1 << 18;
/** Up to this length a loop copies faster than a call. */
const shortBytes = 64;

type Lookup = (error: Error | null, address: string, family: number) => void;

/** Takes an address literal for what it is. dgram calls it with or without options. */
function literal(address: string, options: unknown, done?: Lookup): void {
  const call = (typeof options === 'function' ? options : done) as Lookup;
  call(null, address, address.includes(':') ? 6 : 4);
}

export type DatagramOptions = {
  readonly address: string;
  /** 0: the kernel chooses one. */
  readonly port: number;
  /** Several sockets, in several threads, share the port. */
  readonly reusePort?: boolean;
  /** Receive buffer to ask of the kernel, bytes. */
  readonly receiveBuffer?: number;
  /** Where to connect: packets from elsewhere are not taken. */
  readonly to?: { readonly address: string; readonly port: number } | undefined;
};

/** A bound, and where asked connected, socket. Throws Node's system error, then nothing stays open. */
export function openDatagram({
  address,
  port,
  reusePort = false,
  receiveBuffer,
  to,
}: DatagramOptions): Socket {
  const six = address.includes(':');
  const socket = dgram.createSocket({
    type: six ? 'udp6' : 'udp4',
    ipv6Only: six,
    reusePort,
    lookup: literal,
    ...(receiveBuffer !== undefined && { recvBufferSize: receiveBuffer }),
  });
  let failure: Error | undefined;
  const failed = (error: Error): void => {
    failure ??= error;
  };
  socket.on('error', failed);
  try {
    socket.bind({ address, port, exclusive: true });
    if (failure) throw failure;
    if (to) {
      socket.connect(to.port, to.address);
      // Throws unless it is connected.
      socket.remoteAddress();
    }
  } catch (thrown) {
    // Of a connection that failed the reason is told later; the socket must be there to hear it.
    if (failure) socket.close();
    else setImmediate(() => socket.close());
    throw failure ?? thrown;
  }
  socket.off('error', failed);
  return socket;
}

/**
 * Receive buffer that the kernel granted, in the measure in which it was asked for: Linux reports twice that, for its own
 * overhead (socket(7)).
 */
export function grantedBuffer(socket: Socket): number {
  return process.platform === 'linux' ? socket.getRecvBufferSize() / 2 : socket.getRecvBufferSize();
}

/** A copy that the kernel may take its time with. Null when the socket's queue is full. */
export function outgoing(socket: Socket, u8: Uint8Array, at: number, length: number): Buffer | null {
  if (socket.getSendQueueSize() > maxQueued) return null;
  const packet = Buffer.allocUnsafe(length);
  if (length <= shortBytes) for (let i = 0; i < length; i++) packet[i] = u8[at + i]!;
  else packet.set(u8.subarray(at, at + length));
  return packet;
}
