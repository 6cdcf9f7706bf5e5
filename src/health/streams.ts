/** TCP for probes: one connection for each run (RFC 7766). */
import { connect } from 'node:net';
import { Frames, prefixBytes, writePrefix } from '#net/stream-framing.ts';
import type { Exchanger } from './exchange.ts';

/** Connections of the machine. */
export const systemStreams: Exchanger = {
  exchange(to, bytes, hearing) {
    let open = true;
    const frames = new Frames();
    const socket = connect({
      host: to.address,
      port: to.port,
      noDelay: true,
      ...(to.source !== undefined && { localAddress: to.source }),
    });
    const close = () => {
      open = false;
      socket.destroy();
    };
    const fail = (code: string) => {
      if (!open) return;
      close();
      hearing.failed(code);
    };
    socket.on('error', error => fail('code' in error ? String(error.code) : error.message));
    socket.on('close', () => fail('closed'));
    socket.on('data', (chunk: Buffer) => {
      frames.push(chunk);
      for (;;) {
        const length = frames.next();
        if (length < 0 || !open) return;
        hearing.message(frames.bytes.slice(frames.at, frames.at + length));
      }
    });
    const framed = new Uint8Array(prefixBytes + bytes.length);
    writePrefix(framed, 0, bytes.length);
    framed.set(bytes, prefixBytes);
    socket.write(framed);
    return close;
  },
};
