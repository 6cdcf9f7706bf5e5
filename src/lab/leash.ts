/**
 * Loaded before a child's own program (`--import`): ends the child when its parent is gone, however the parent went. The
 * child's standard input is a pipe from the parent; the kernel closes it with the parent.
 */
import { isMainThread } from 'node:worker_threads';

/** A child that does not end on SIGTERM by itself is ended after this time, in ms. */
const patience = 8000;

// Worker threads load what their process loads; one watcher is enough.
if (isMainThread) {
  let alone = false;
  const leave = () => {
    if (alone) return;
    alone = true;
    setTimeout(() => process.exit(1), patience).unref();
    process.kill(process.pid, 'SIGTERM');
  };
  for (const event of ['end', 'close', 'error']) process.stdin.on(event, leave);
  process.stdin.resume();
  // Watching is no reason to stay alive.
  if ('unref' in process.stdin) process.stdin.unref();
}
