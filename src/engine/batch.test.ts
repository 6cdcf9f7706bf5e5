import { describe } from 'node:test';
import { batchUnavailable } from '#net/libc.ts';
import { engineContract } from '#test/contract/engine.ts';
import { workerEngine } from '#test/contract/worker-engine.ts';

const reason = batchUnavailable();
describe('batch engine here', { skip: reason ?? false }, () => {
  engineContract(workerEngine('batch engine', { kind: 'packet', datagrams: true, streams: false }));
});
