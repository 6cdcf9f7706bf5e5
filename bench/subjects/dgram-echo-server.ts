/** Sets the QR bit and sends each packet back: `dgram-echo-server.ts PORT`. */
import { createSocket } from 'node:dgram';

// Without a lookup of its own, dgram asks getaddrinfo's stand-in for every packet, literal address or not.
const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
socket.on('message', (packet, from) => {
  packet[2]! |= 0x80;
  socket.send(packet, from.port, from.address);
});
socket.bind(Number(process.argv[2]), '127.0.0.1', () => {
  socket.setRecvBufferSize(4 << 20);
});
