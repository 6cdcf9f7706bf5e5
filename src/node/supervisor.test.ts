import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '#health/clock.ts';
import type { ServerState } from './states.ts';
import {
  type Answers,
  backoff,
  failuresTold,
  type ServerEnd,
  Supervisor,
  type SupervisorRules,
} from './supervisor.ts';

const rules: SupervisorRules = {
  name: 'bind',
  stopSignal: 'SIGTERM',
  stopTimeout: 5000,
  startTimeout: 20_000,
  restartAfter: 10_000,
};

/** A process of the test: it ends when it is told to, unless it hangs. */
class Double {
  readonly signals: string[] = [];
  readonly #ended: (how: ServerEnd) => void;
  over = false;
  deaf = false;

  constructor(ended: (how: ServerEnd) => void) {
    this.#ended = ended;
  }
  end(how: ServerEnd): void {
    if (this.over) return;
    this.over = true;
    this.#ended(how);
  }
}

function setUp(more: Partial<SupervisorRules> & { warm?: boolean } = {}) {
  const clock = new VirtualClock();
  const processes: Double[] = [];
  const ended: string[] = [];
  const notices: { level: string; message: string; details: Readonly<Record<string, unknown>> }[] = [];
  const warmings: { done: (result: string) => void; broken: boolean }[] = [];
  const { warm = false, ...changed } = more;
  const supervisor = new Supervisor(
    { ...rules, ...changed },
    {
      clock,
      launch: end => {
        const double = new Double(end);
        processes.push(double);
        return {
          pid: 1000 + processes.length,
          signal: name => {
            double.signals.push(name);
            // As a system does: the end is heard of later.
            if (name === 'SIGKILL' || !double.deaf)
              clock.wait(0, () => double.end({ code: null, signal: name }));
          },
        };
      },
      lastLines: () => ['could not open zone', 'exiting'],
      warmUp: warm
        ? done => {
            const warming = { done, broken: false };
            warmings.push(warming);
            return () => {
              warming.broken = true;
            };
          }
        : null,
      onEnded: detail => ended.push(detail),
      onChange: () => {},
      onNotice: (level, message, details) => notices.push({ level, message, details }),
    },
  );
  /** Lets time pass while it answers so. */
  const pass = (ms: number, answers: Answers) => {
    for (let at = 0; at < ms; at += 250) {
      clock.advance(250);
      supervisor.hear(answers);
    }
  };
  const last = () => processes.at(-1)!;
  return { clock, supervisor, processes, ended, notices, warmings, pass, last };
}

describe('supervisor', () => {
  test('starts, waits for an answer, and is warm then', () => {
    const { supervisor, pass, processes } = setUp();
    assert.equal(supervisor.state, 'stopped');
    supervisor.start();
    supervisor.start();
    assert.equal(processes.length, 1);
    assert.equal(supervisor.state, 'starting');
    pass(1000, 'not');
    assert.equal(supervisor.warm, false);
    pass(1000, 'badly');
    assert.equal(supervisor.warm, false);
    pass(250, 'well');
    assert.equal(supervisor.state, 'running');
    assert.equal(supervisor.warm, true);
    assert.equal(supervisor.report().pid, 1001);
  });

  test('is warm only after its warm-up', () => {
    const { supervisor, pass, warmings } = setUp({ warm: true });
    supervisor.start();
    pass(500, 'well');
    assert.equal(supervisor.state, 'warming');
    assert.equal(supervisor.warm, false);
    warmings[0]!.done('98 of 100 names answered');
    assert.equal(supervisor.warm, true);
    assert.match(supervisor.report().detail, /98 of 100/);
  });

  test('one that ends is told at once, is not warm, and starts again', () => {
    const { supervisor, pass, last, ended, clock, processes } = setUp();
    supervisor.start();
    pass(500, 'well');
    last().end({ code: null, signal: 'SIGSEGV' });
    assert.deepEqual(ended, ['the server ended: killed by SIGSEGV']);
    assert.equal(supervisor.state, 'waiting');
    assert.equal(supervisor.warm, false);
    clock.advance(backoff.first);
    assert.equal(processes.length, 2);
    pass(500, 'well');
    assert.equal(supervisor.report().restarts, 1);
    assert.equal(supervisor.report().lastEnd?.reason, 'killed by SIGSEGV');
    assert.equal(supervisor.warm, true);
  });

  test('an end while it warms up breaks the warm-up off, and what that says later is of no account', () => {
    const { supervisor, pass, last, warmings } = setUp({ warm: true });
    supervisor.start();
    pass(250, 'well');
    last().end({ code: 1, signal: null });
    assert.equal(warmings[0]?.broken, true);
    warmings[0]?.done('all');
    assert.equal(supervisor.warm, false);
  });

  test('the delay doubles, is bounded, and is forgotten after a long run', () => {
    const { supervisor, clock, last, processes, pass } = setUp();
    supervisor.start();
    const delays: number[] = [];
    for (let i = 0; i < 12; i++) {
      last().end({ code: 1, signal: null });
      const from = clock.now();
      const count = processes.length;
      while (processes.length === count) clock.advance(50);
      delays.push(clock.now() - from);
    }
    assert.deepEqual(delays.slice(0, 4), [100, 200, 400, 800]);
    assert.equal(delays.at(-1), backoff.most);
    pass(backoff.forget, 'well');
    last().end({ code: 1, signal: null });
    clock.advance(backoff.first);
    assert.equal(supervisor.state, 'starting');
  });

  test('one that ends again and again before it answers is told with its last lines', () => {
    const { supervisor, clock, last, notices } = setUp();
    supervisor.start();
    for (let i = 0; i < failuresTold; i++) {
      last().end({ code: 1, signal: null });
      clock.advance(1000);
    }
    const errors = notices.filter(({ level }) => level === 'error');
    assert.equal(errors.length, 1);
    assert.equal(errors[0]?.details.times, failuresTold);
    assert.equal(errors[0]?.details.said, 'could not open zone | exiting');
    assert.equal(supervisor.state, 'starting');
  });

  test('one that cannot be started is tried again', () => {
    const { supervisor, clock, last, processes } = setUp();
    supervisor.start();
    last().end({ failed: 'there is no program named' });
    assert.match(supervisor.report().detail, /could not be started: there is no program named/);
    clock.advance(100);
    assert.equal(processes.length, 2);
  });

  test('one that hangs is told to end, then killed, then started again', () => {
    const { supervisor, pass, last, processes } = setUp();
    supervisor.start();
    pass(500, 'well');
    last().deaf = true;
    pass(9000, 'not');
    assert.deepEqual(last().signals, []);
    assert.match(supervisor.report().detail, /^answers nothing for /);
    pass(1500, 'not');
    assert.deepEqual(last().signals, ['SIGTERM']);
    assert.match(supervisor.report().detail, /; told to end$/);
    assert.equal(supervisor.state, 'ending');
    assert.equal(supervisor.warm, false);
    pass(5500, 'not');
    assert.equal(processes.length, 2);
    assert.deepEqual(processes[0]?.signals, ['SIGTERM', 'SIGKILL']);
  });

  test('SIGSTOP and SIGCONT within the time: it is let be', () => {
    const { supervisor, pass, last } = setUp();
    supervisor.start();
    pass(500, 'well');
    for (let i = 0; i < 5; i++) {
      pass(9000, 'not');
      pass(250, 'badly');
    }
    assert.deepEqual(last().signals, []);
    assert.equal(supervisor.state, 'running');
  });

  test('one that answers badly is never started anew', () => {
    const { supervisor, pass, processes, last } = setUp();
    supervisor.start();
    pass(500, 'well');
    pass(600_000, 'badly');
    assert.equal(processes.length, 1);
    assert.deepEqual(last().signals, []);
  });

  test('restart-after: off leaves one that hangs alone', () => {
    const { supervisor, pass, last } = setUp({ restartAfter: null });
    supervisor.start();
    pass(500, 'well');
    pass(600_000, 'not');
    assert.deepEqual(last().signals, []);
  });

  test('a new one that never answers hangs after start-timeout', () => {
    const { supervisor, pass, processes } = setUp();
    supervisor.start();
    pass(19_000, 'not');
    assert.deepEqual(processes[0]?.signals, []);
    pass(3000, 'not');
    assert.deepEqual(processes[0]?.signals, ['SIGTERM']);
    assert.equal(processes.length, 2);
  });

  test('stop: the signal, then SIGKILL; nothing starts after it', async () => {
    const { supervisor, pass, last, processes, clock, ended } = setUp();
    supervisor.start();
    pass(500, 'well');
    last().deaf = true;
    const stopped = supervisor.stop();
    const again = supervisor.stop();
    assert.deepEqual(last().signals, ['SIGTERM']);
    clock.advance(4900);
    assert.equal(supervisor.state, 'stopping');
    clock.advance(200);
    await Promise.all([stopped, again]);
    assert.equal(supervisor.state, 'stopped');
    assert.deepEqual(last().signals, ['SIGTERM', 'SIGKILL']);
    assert.deepEqual(ended, ['the server was stopped: killed by SIGKILL']);
    clock.advance(600_000);
    assert.equal(processes.length, 1);
    assert.equal(clock.pending, 0);
  });

  test('stop while it waits, while it is told to end, and before it began', async () => {
    const idle = setUp();
    await idle.supervisor.stop();
    const waiting = setUp();
    waiting.supervisor.start();
    waiting.last().end({ code: 1, signal: null });
    await waiting.supervisor.stop();
    waiting.clock.advance(600_000);
    assert.equal(waiting.processes.length, 1);
    const hung = setUp();
    hung.supervisor.start();
    hung.pass(500, 'well');
    hung.last().deaf = true;
    hung.pass(11_000, 'not');
    const stopped = hung.supervisor.stop();
    assert.deepEqual(hung.last().signals, ['SIGTERM']);
    hung.clock.advance(5000);
    await stopped;
    hung.clock.advance(600_000);
    assert.equal(hung.processes.length, 1);
  });

  test('kill: at once, and nothing starts after it', () => {
    for (const what of ['running', 'waiting', 'before']) {
      const { supervisor, pass, processes, clock } = setUp();
      if (what !== 'before') supervisor.start();
      pass(500, 'well');
      if (what === 'waiting') processes[0]?.end({ code: 1, signal: null });
      supervisor.kill();
      supervisor.kill();
      clock.advance(600_000);
      assert.equal(supervisor.state, 'stopped', what);
      assert.equal(processes.length, what === 'before' ? 0 : 1, what);
      assert.equal(clock.pending, 0);
    }
  });

  test('one that even SIGKILL does not end does not hold up the stop for ever', async () => {
    const { supervisor, clock, notices, processes } = setUp();
    supervisor.start();
    const double = processes[0]!;
    double.deaf = true;
    double.end = () => {};
    const stopped = supervisor.stop();
    clock.advance(5000 + 10_000);
    await stopped;
    assert.equal(notices.at(-1)?.level, 'error');
  });

  const action = fc.oneof(
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 30_000 }) }),
    fc.record({
      kind: fc.constant('hear' as const),
      answers: fc.constantFrom<Answers>('well', 'badly', 'not'),
    }),
    fc.record({ kind: fc.constant('end' as const), code: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ kind: fc.constant('deaf' as const) }),
    fc.record({ kind: fc.constant('warm' as const) }),
  );

  test('whatever happens: one process at a time, warm only while it runs, and a stop ends it all', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), fc.boolean(), (actions, warm) => {
        const { supervisor, clock, processes, warmings, last } = setUp({ warm });
        supervisor.start();
        for (const each of actions) {
          if (each.kind === 'pass') clock.advance(each.ms);
          else if (each.kind === 'hear') supervisor.hear(each.answers);
          else if (each.kind === 'end') last().end({ code: each.code, signal: null });
          else if (each.kind === 'deaf') last().deaf = true;
          else warmings.at(-1)?.done('all');
          assert.ok(processes.filter(({ over }) => !over).length <= 1);
          assert.ok(clock.pending <= 2);
          const alive: ServerState[] = ['starting', 'warming', 'running', 'ending'];
          assert.equal(alive.includes(supervisor.state), !last().over);
          assert.equal(supervisor.report().pid === null, last().over);
          if (supervisor.warm) assert.equal(last().over, false);
        }
        const count = processes.length;
        let over = false;
        void supervisor.stop();
        clock.advance(rules.stopTimeout + 1);
        over = supervisor.state === 'stopped';
        clock.advance(600_000);
        assert.ok(over && last().over);
        assert.equal(processes.length, count);
        assert.equal(clock.pending, 0);
      }),
    );
  });
});
