/** Started as root by src/daemon/account.test.ts: becomes nobody, keeps CAP_NET_ADMIN, and tells who has it then. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { become } from '#daemon/account.ts';
import { capabilities, hasCapability, keepNetAdmin, lendCapability } from '#net/capabilities.ts';
import { openNetlink } from '#net/netlink.ts';

/** Permitted capabilities in a status file of /proc, in hexadecimal. */
const permitted = (status: string) => /^CapPrm:\s+0*(\w+)$/m.exec(status)?.[1] ?? '?';
const child = () => permitted(execFileSync('cat', ['/proc/self/status'], { encoding: 'utf8' }));
const threads = () =>
  readdirSync('/proc/self/task').map(task => {
    const prefix = Number(task) === process.pid ? 'main ' : '';
    return prefix + permitted(readFileSync(`/proc/self/task/${task}/status`, 'utf8'));
  });
const shed = (sheds: boolean) =>
  new Promise<unknown>(resolve => {
    const worker = new Worker(
      `const { workerData, parentPort } = require('node:worker_threads');
      import(workerData.module).then(({ dropKeptCapabilities }) => {
        if (workerData.sheds) dropKeptCapabilities(process.getuid());
        parentPort.postMessage(require('node:fs').readFileSync('/proc/thread-self/status', 'utf8'));
      });`,
      { eval: true, workerData: { module: import.meta.resolve('#net/capabilities.ts'), sheds } },
    );
    worker.on('message', text => resolve(permitted(String(text))));
  });

await stat('.');
const changed = become({ user: '65534', uid: 65534, gid: 65534 }, process, keepNetAdmin);
const netlink = openNetlink();
netlink.createLink('made', 'bridge');
const others = threads();
console.log(
  JSON.stringify({
    changed,
    has: hasCapability(capabilities.CAP_NET_ADMIN),
    binds: hasCapability(capabilities.CAP_NET_BIND_SERVICE),
    threads: [...new Set(others)].sort(),
    made: netlink.link('made')?.kind,
    child: child(),
    lent: lendCapability(capabilities.CAP_NET_ADMIN, child),
    childAfter: child(),
    keepsInThread: await shed(false),
    shedsInThread: await shed(true),
    stillHas: hasCapability(capabilities.CAP_NET_ADMIN),
  }),
);
process.exit(0);
