/**
 * The helper that ExaBGP starts: it passes commands from Chorus to ExaBGP and answers back, and is the dead man's switch. ExaBGP
 * does not end when its helper ends: so this one ends it. `relay.ts SOCKET LIFETIME FOLDER`: when the socket closes, or nothing
 * came over it for LIFETIME ms (Chorus died, hangs, or is stopped), ExaBGP is killed, its sessions close, and its routes go.
 */
import { rmSync } from 'node:fs';
import { connect } from 'node:net';

/** What Chorus writes while its control loop is well. Not for ExaBGP. */
const beat = 'beat';

const [path = '', lifetime = '', folder = ''] = process.argv.slice(2);
const exabgp = process.ppid;

function end(): void {
  // Another parent: ExaBGP has ended already.
  if (process.ppid === exabgp && exabgp > 1) {
    try {
      process.kill(exabgp, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
}

const timer = setTimeout(end, Number(lifetime));
const socket = connect(path);
let rest = '';
socket.setEncoding('utf8');
socket.on('data', (text: string) => {
  timer.refresh();
  const lines = (rest + text).split('\n');
  rest = lines.pop() ?? '';
  const commands = lines.filter(line => line !== beat && line !== '');
  if (commands.length > 0) process.stdout.write(`${commands.join('\n')}\n`);
});
socket.on('error', () => {});
socket.on('close', end);
process.stdin.on('data', (bytes: Buffer) => void socket.write(bytes));
// The end of ExaBGP: Chorus hears of it too, and closes the socket, or is dead, and the socket closes by itself.
process.stdin.on('error', () => {});
process.stdout.on('error', () => {});
