import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Log } from '#kit/log.ts';
import { batchUnavailable } from '#net/libc.ts';
import { freePort } from '#test/support/ports.ts';
import { decodeMessage, encodeMessage, query } from '#wire/message.ts';
import { Daemon } from './daemon.ts';
import type { ToWorker } from './protocol.ts';
import { spawnThread, type Thread } from './thread.ts';

/** A thread whose next plan has a domain that is none: the worker dies when it commits. */
function withFault(thread: Thread, fault: { on: boolean }): Thread {
  return {
    kill: () => thread.kill(),
    post(message: ToWorker) {
      if (!fault.on || message.kind !== 'prepare') return thread.post(message);
      const { plan } = message.plan;
      const domains = [{ suffix: 'no..name', pool: 0 }];
      thread.post({ kind: 'prepare', plan: { ...message.plan, plan: { ...plan, domains } } });
    },
  };
}

/** Asks over UDP from a fresh port; gives the text of the answer, or null when none comes. */
async function ask(port: number): Promise<string | null> {
  const socket = createSocket('udp4');
  const bytes = encodeMessage(query('version.bind.', 16, { class: 3 }));
  try {
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.send(bytes);
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(10_000) });
    return decodeMessage(answer).answers.length === 1 ? 'answered' : 'empty';
  } catch {
    return null;
  } finally {
    socket.close();
  }
}

for (const engine of ['batch', 'loop'] as const) {
  const skip = engine === 'batch' && batchUnavailable();
  test(`${engine} engine: after a worker died no query goes to its old sockets`, {
    skip: skip || false,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'chorus-restart-'));
    const file = join(folder, 'chorus.yaml');
    const port = await freePort();
    const config = { listen: [`127.0.0.1:${port}`], api: 'off', engine, workers: 2, cache: 'off' };
    const pools = { default: { probe: 'off', backends: [{ name: 'kai', address: '127.0.0.1:1' }] } };
    writeFileSync(file, JSON.stringify({ ...config, pools }));
    const lines: string[] = [];
    const fault = { on: false };
    const daemon = await Daemon.start({
      file,
      log: new Log((_level, text) => lines.push(text)),
      setLog: () => {},
      onFatal: error => lines.push(`fatal ${error.message}`),
      spawn: (start, events) => {
        const thread = spawnThread(start, events);
        return start.worker === 0 ? withFault(thread, fault) : thread;
      },
    });
    try {
      for (let at = 0; at < 20; at++) assert.equal(await ask(port), 'answered');
      fault.on = true;
      await daemon.control.reload();
      fault.on = false;
      const deadline = Date.now() + 20_000;
      while (!lines.includes('worker started again')) {
        assert.ok(Date.now() < deadline, lines.join('\n'));
        await new Promise(resolve => setTimeout(resolve, 10));
      }
      assert.ok(lines.includes('worker died'));
      for (let at = 0; at < 40; at++) assert.equal(await ask(port), 'answered', `query ${at}`);
      assert.deepEqual(daemon.control.ready().ok, true);
    } finally {
      await daemon.stop();
      rmSync(folder, { recursive: true });
    }
  });
}
