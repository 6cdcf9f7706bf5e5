/**
 * A client that keeps to a schedule whatever comes back, from many source ports, and tells of each query that was lost; run by
 * `flow.ts` as a process of its own. Beside it, connections over TCP that each ask again and again.
 *   flow-client ADDRESS RATE SOCKETS CONNECTIONS ZONE
 * It tells `ready` when it begins, and its account as one line of JSON at the end of its input.
 */
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import type { FlowAccount, FlowSession } from './flow.ts';

const [to = '', rateText = '', socketsText = '', connectionsText = '', zone = ''] = process.argv.slice(2);
const rate = Number(rateText);
const now = () => performance.timeOrigin + performance.now();
/** ms after which a query without an answer is lost. */
const patience = 2000;
/** ms between two queries on one connection. */
const connectionEvery = 20;

function query(id: number, name: string): Buffer {
  const labels = name.split('.').flatMap(label => [label.length, ...Buffer.from(label, 'latin1')]);
  return Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}

/** Queries without an answer so far: when each was sent, by source port and id. */
const waiting = new Map<number, number>();
const lost: number[] = [];
const failed: number[] = [];
let [sent, answered, latest] = [0, 0, 0];
/** Answers in a row that came soon. */
let prompt = 0;
const soon = 50;

const sockets = await Promise.all(
  Array.from({ length: Number(socketsText) }, async (_, index) => {
    const socket = createSocket({ type: to.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 });
    // An unreachable host is heard of here: the query is lost in any case, by not being answered.
    socket.on('error', () => {});
    socket.on('message', answer => {
      const key = index * 65_536 + answer.readUInt16BE(0);
      const at = waiting.get(key);
      if (at === undefined || (answer[2]! & 0x80) === 0) return;
      waiting.delete(key);
      answered++;
      const took = now() - at;
      latest = Math.max(latest, took);
      prompt = took <= soon ? prompt + 1 : 0;
      if ((answer[3]! & 15) !== 0) failed.push(at);
    });
    await new Promise<void>(resolve => socket.connect(53, to, resolve));
    return socket;
  }),
);

function sendOne(): void {
  const index = sent % sockets.length;
  const id = Math.floor(sent / sockets.length) & 0xffff;
  const socket = sockets[index]!;
  waiting.set(index * 65_536 + id, now());
  try {
    socket.send(query(id, `n${sent % 1000}.${zone}`));
  } catch {
    // As above.
  }
  sent++;
}

function giveUp(before: number): void {
  // In the order in which they were sent: the first that is young ends it.
  for (const [key, at] of waiting) {
    if (at > before) break;
    waiting.delete(key);
    lost.push(at);
  }
}

/** One connection: asks, waits for the answer, asks again. Ends for good when it breaks. */
function session(): FlowSession & { end(): void } {
  const seen = { port: 0, answered: 0, broken: null as number | null, longest: 0 };
  let [asked, over, buffer] = [0, false, Buffer.alloc(0)];
  let timer: NodeJS.Timeout | undefined;
  const socket: Socket = connect({ host: to, port: 53, noDelay: true });
  const ask = () => {
    asked = now();
    const message = query(1, `tcp.${zone}`);
    socket.write(Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]));
  };
  const broke = () => {
    if (!over) seen.broken ??= now();
    clearTimeout(timer);
  };
  socket.on('connect', () => {
    seen.port = socket.localPort ?? 0;
    ask();
  });
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    if (buffer.length < 2 || buffer.length < 2 + buffer.readUInt16BE(0)) return;
    buffer = Buffer.alloc(0);
    seen.answered++;
    seen.longest = Math.max(seen.longest, now() - asked);
    timer = setTimeout(ask, connectionEvery);
  });
  socket.on('error', broke);
  socket.on('close', broke);
  return Object.assign(seen, {
    end() {
      // One that has waited for long is as good as broken.
      if (asked > 0 && seen.broken === null && now() - asked > patience && !timer?.hasRef())
        seen.broken = asked;
      over = true;
      clearTimeout(timer);
      socket.destroy();
    },
  });
}

/** Keeps to the schedule until `until` says that it is enough. */
async function keep(queries: number, until: () => boolean): Promise<void> {
  const [from, before] = [now(), sent];
  while (!until()) {
    const due = before + Math.floor(((now() - from) * queries) / 1000);
    while (sent < due) sendOne();
    giveUp(now() - patience);
    await new Promise(resolve => setTimeout(resolve, 1));
  }
}

// Not counted: caches fill, neighbours are found, compilers learn, until a thousand answers in a row have come soon.
const limit = now() + 10_000;
await keep(rate / 2, () => prompt >= 1000 || now() > limit);
await new Promise(resolve => setTimeout(resolve, 2 * soon));
waiting.clear();
[lost.length, failed.length, answered, latest] = [0, 0, 0, 0];
const uncounted = sent;

const sessions = Array.from({ length: Number(connectionsText) }, session);
const began = now();
let over = false;
process.stdin.on('end', () => {
  over = true;
});
process.stdin.resume();
process.stdout.write('ready\n');

await keep(rate, () => over);
const lastSent = now();
while (waiting.size > 0 && now() - lastSent < patience) await new Promise(resolve => setTimeout(resolve, 5));
giveUp(Number.POSITIVE_INFINITY);
for (const one of sessions) one.end();
for (const socket of sockets) socket.close();
const account: FlowAccount = {
  began,
  ended: lastSent,
  sent: sent - uncounted,
  answered,
  lost,
  failed,
  latest,
  sessions,
};
process.stdout.write(`${JSON.stringify(account)}\n`);
