import { engineContract } from '#test/contract/engine.ts';
import { workerEngine } from '#test/contract/worker-engine.ts';

engineContract(workerEngine('loop engine', { kind: 'stream', datagrams: true, streams: true }));
engineContract(workerEngine('loop engine, TCP alone', { kind: 'stream', datagrams: false, streams: true }));
