import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { seeded } from '#test/sim/world.ts';
import { parseName } from '#wire/name.ts';
import { admission, ending, kindOf, Zones } from './zones.ts';

const { good, bad, badAgain, silent } = ending;

type Question = {
  readonly name: string;
  readonly how: number;
  readonly latency?: number;
  readonly kind?: number;
};
type Waiting = {
  readonly name: Uint8Array;
  readonly how: number;
  readonly kind: number;
  readonly counted: boolean;
  readonly begun: number;
};

/** Names are asked, and backends answer after their latency, in virtual time. */
class Scene {
  now = 5_000_000;
  closings = 0;
  readonly zones = new Zones(0x51ed27, () => void this.closings++);
  asked = 0;
  failing = 0;
  crowded = 0;
  inFlight = 0;
  readonly #ends = new Map<number, Waiting[]>();

  /** Whether it goes to a backend. */
  ask({ name, how, latency = 2, kind = 0 }: Question): boolean {
    const wire = parseName(name);
    const said = this.zones.admit(wire, 0, wire.length, kind, this.inFlight, this.now);
    if (said === admission.failing) this.failing++;
    else if (said === admission.crowded) this.crowded++;
    else {
      this.asked++;
      this.inFlight++;
      const due = this.now + latency;
      const list = this.#ends.get(due) ?? [];
      list.push({ name: wire, how, kind, counted: said === admission.counted, begun: this.now });
      this.#ends.set(due, list);
      return true;
    }
    return false;
  }

  /** A millisecond goes by. */
  tick(): void {
    this.now++;
    for (const { name, how, kind, counted, begun } of this.#ends.get(this.now) ?? []) {
      this.inFlight--;
      this.zones.ended(name, 0, name.length, kind, counted, how, begun, this.now);
    }
    this.#ends.delete(this.now);
  }

  /** For `ms`, `perMs` questions each. */
  run(ms: number, perMs: number, question: (serial: number) => Question): void {
    let owed = 0;
    let serial = 0;
    for (let i = 0; i < ms; i++) {
      for (owed += perMs; owed >= 1; owed--) this.ask(question(serial++));
      this.tick();
    }
  }

  reset(): void {
    this.asked = 0;
    this.failing = 0;
    this.crowded = 0;
  }
}

let serial = 0;
const fresh = () => `x${serial++}`;

describe('a zone where all fail', () => {
  test('gets a trickle; others are untouched; it is open again soon after it is well', () => {
    const scene = new Scene();
    let others = 0;

    const storm = (how: number) =>
      scene.run(10_000, 50, i => {
        if (i % 10 > 0) return { name: `${fresh()}.sick.example.`, how };
        others++;
        return { name: `${fresh()}.well${i % 7}.example.`, how: good };
      });
    scene.run(100, 5, i => ({ name: `${fresh()}.well${i % 7}.example.`, how: good }));
    scene.reset();
    storm(bad);
    assert.equal(scene.crowded, 0);
    const reached = 500_000 - others - scene.failing;
    assert.ok(reached < 500, `${reached} of ${500_000 - others} reached backends`);
    // Well again: within a quarter of a second all pass.
    scene.run(250, 50, () => ({ name: `${fresh()}.sick.example.`, how: good }));
    scene.reset();
    scene.run(1000, 50, () => ({ name: `${fresh()}.sick.example.`, how: good }));
    assert.equal(scene.failing, 0);
  });

  test('closes too when its questions are met with silence while backends answer others', () => {
    const scene = new Scene();
    const half = () =>
      scene.run(20_000, 25, i =>
        i % 10 > 0
          ? { name: `${fresh()}.sick.example.`, how: silent, latency: 2000 }
          : { name: `${fresh()}.well.example.`, how: good },
      );
    half();
    const well = 50_000;
    assert.ok(scene.asked - well < 5000, `${scene.asked - well} reached backends`);
    assert.ok(scene.asked >= well);
  });

  test('is not to blame when backends answer nobody', () => {
    const scene = new Scene();
    scene.run(5000, 2, () => ({ name: `${fresh()}.only.example.`, how: silent, latency: 2000 }));
    assert.deepEqual([scene.failing, scene.crowded], [0, 0]);
  });

  test('stays closed while it is asked, and begins anew when it was not for a while', () => {
    const scene = new Scene();
    const sick = () => ({ name: `${fresh()}.sick.example.`, how: bad });
    scene.run(1000, 10, sick);
    scene.reset();
    scene.run(60_000, 10, sick);
    assert.ok(scene.asked <= 601, `${scene.asked} in a minute`);
    assert.equal(scene.closings, 1);
    for (let i = 0; i < 10_000; i++) scene.tick();
    scene.reset();
    scene.run(8, 10, sick);
    assert.equal(scene.asked, 80);
  });

  test('is doubted before it is closed, and one that is well is not', () => {
    const scene = new Scene();
    const doubtful = (text: string) => {
      const name = parseName(text);
      return scene.zones.doubtful(name, 0, name.length, 0, scene.now);
    };
    scene.run(20, 4, i => ({
      name: `${fresh()}.${i % 4 ? 'sick' : 'well'}.example.`,
      how: i % 4 ? bad : good,
    }));
    assert.equal(scene.closings, 0);
    assert.deepEqual([doubtful('a.sick.example.'), doubtful('a.well.example.')], [true, false]);
    assert.equal(doubtful('a.example.'), false);
  });

  test('that is asked little is left to the failure cache', () => {
    const scene = new Scene();
    scene.run(60_000, 0.04, () => ({ name: `${fresh()}.sick.example.`, how: bad }));
    assert.equal(scene.failing, 0);
  });
});

describe('the suffix that is closed', () => {
  const closedFor = (scene: Scene, name: string) => {
    // Many times: one may be the trickle's.
    const before = scene.failing;
    for (let i = 0; i < 20; i++) scene.ask({ name: name.replace('*', fresh()), how: good, latency: 1 });
    return scene.failing - before >= 18;
  };

  test('is the most specific that carries the trouble', () => {
    for (const [flood, shut, open] of [
      [
        '*.a.example.',
        ['*.a.example.', 'a.example.', '*.b.c.a.example.'],
        ['*.example.', 'b.example.', '*.b.example.'],
      ],
      [
        '*.b.a.example.',
        ['*.b.a.example.', '*.c.b.a.example.'],
        ['*.a.example.', 'a.example.', '*.c.a.example.'],
      ],
      ['*.*.a.example.', ['*.a.example.', '*.b.a.example.'], ['*.b.example.']],
      ['*.a.co.uk.', ['*.a.co.uk.', 'a.co.uk.'], ['*.co.uk.', '*.b.co.uk.']],
      [
        '*.2.0.192.in-addr.arpa.',
        ['*.2.0.192.in-addr.arpa.'],
        ['*.3.0.192.in-addr.arpa.', '*.0.10.in-addr.arpa.'],
      ],
      [
        '*.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.',
        ['*.1.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.'],
        ['*.0.0.0.0.9.b.d.0.1.0.0.2.ip6.arpa.'],
      ],
    ] as const) {
      const scene = new Scene();
      scene.run(2000, 10, () => ({ name: flood.replaceAll('*', fresh), how: bad }));
      for (const name of open) assert.equal(closedFor(scene, name), false, `${flood} leaves ${name} open`);
      for (const name of shut) assert.equal(closedFor(scene, name), true, `${flood} closes ${name}`);
    }
  });

  test('is not the parent when other names of the parent fail too, but few', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const scene = new Scene();
      const random = seeded(seed * 7);
      scene.run(200, 10, () => {
        const kind = random() % 12;
        if (kind > 1) return { name: `${fresh()}.sick.example.net.`, how: bad };
        return { name: `${fresh()}.example.net.`, how: kind === 0 ? bad : good };
      });
      assert.equal(closedFor(scene, '*.sick.example.net.'), true);
      assert.equal(closedFor(scene, '*.example.net.'), false, `seed ${seed}`);
    }
  });

  test('is never a top-level domain, nor one that a country uses as such, nor the root', () => {
    for (const flood of ['*.', '*.example.', '*.co.uk.', '*.com.au.', '*.in-addr.arpa.', '*.2.ip6.arpa.']) {
      const scene = new Scene();
      scene.run(2000, 10, () => ({ name: flood.replace('*', fresh), how: bad }));
      assert.equal(scene.failing, 0, flood);
    }
  });

  test('is passed over for a longer one that is well', () => {
    const scene = new Scene();
    scene.run(3000, 10, i =>
      i % 20 === 0
        ? { name: `${fresh()}.well.example.net.`, how: good }
        : { name: `${fresh()}.example.net.`, how: bad },
    );
    assert.ok(scene.failing > 25_000, 'it is closed');
    scene.reset();
    scene.run(3000, 10, i =>
      i % 20 === 0
        ? { name: `${fresh()}.well.example.net.`, how: good }
        : { name: `${fresh()}.example.net.`, how: bad },
    );
    assert.ok(scene.asked >= 1500 && scene.asked < 1600, `${scene.asked}: the well ones and a trickle`);
  });
});

describe('a healthy zone', () => {
  test('with some names that fail is never limited, however popular', () => {
    const share = fc.integer({ min: 0, max: 40 });
    const perMs = fc.integer({ min: 1, max: 60 });
    fc.assert(
      fc.property(fc.integer(), share, perMs, fc.boolean(), (seed, percent, rate, besideStorm) => {
        const scene = new Scene();
        const random = seeded(seed);
        let mine = 0;
        let reached = 0;
        for (let ms = 0; ms < 1500; ms++) {
          for (let i = 0; i < rate; i++) {
            mine++;
            const how = random() % 100 < percent ? bad : good;
            if (scene.ask({ name: `${fresh()}.popular.example.`, how, latency: 1 + (random() % 40) }))
              reached++;
            if (besideStorm) scene.ask({ name: `${fresh()}.r${random() % 3000}.storm.example.`, how: bad });
          }
          scene.tick();
        }
        assert.equal(reached, mine);
      }),
      { numRuns: 25 },
    );
  });

  test('is not closed by names that are known to fail, asked again and again while the rest is in the cache', () => {
    const scene = new Scene();
    scene.run(20_000, 1, i => ({ name: `n${i % 1000}.example.net.`, how: badAgain }));
    assert.equal(scene.failing, 0);
  });

  test('may answer a flood of names that do not exist, with a bound on how many are outstanding', () => {
    const scene = new Scene();
    scene.run(5000, 50, () => ({ name: `${fresh()}.example.net.`, how: good, latency: 20 }));
    assert.deepEqual([scene.failing, scene.crowded], [0, 0]);
    let most = 0;
    scene.run(2000, 50, i => {
      most = Math.max(most, scene.inFlight);
      if (i % 50 === 0) return { name: `${fresh()}.other.net.`, how: good };
      return { name: `${fresh()}.example.net.`, how: good, latency: 600 };
    });
    assert.equal(scene.failing, 0);
    assert.ok(most >= 16_000 && most <= 16_384 + 100, String(most));
  });

  test('slow at first, is given room while nothing is known of it', () => {
    const scene = new Scene();
    scene.run(1000, 10, i => ({
      name: `${fresh()}.z${i % 2 ? 'slow' : i % 100}.example.`,
      how: good,
      latency: i % 2 ? 300 : 2,
    }));
    assert.equal(scene.crowded, 0);
  });
});

test('kinds of questions are judged apart', () => {
  assert.deepEqual(
    [
      kindOf(1, 1, false),
      kindOf(28, 1, false),
      kindOf(15, 1, false),
      kindOf(1, 3, false),
      kindOf(1, 1, true),
    ],
    [0, 0, 1, 2, 2],
  );
  assert.deepEqual(
    [0, 41, 128, 252, 255, 256].map(type => kindOf(type, 1, false)),
    [2, 2, 2, 2, 2, 1],
  );
  for (const [flood, other] of [
    [1, 0],
    [2, 0],
    [0, 1],
    [2, 1],
  ] as const) {
    const scene = new Scene();
    scene.run(1000, 10, () => ({ name: `${fresh()}.example.net.`, how: bad, kind: flood }));
    scene.reset();
    scene.run(100, 10, () => ({ name: `${fresh()}.example.net.`, how: good, kind: other }));
    assert.equal(scene.failing, 0);
  }
});

test('floods of many zones share one trickle, and each still hears when it is well', () => {
  const scene = new Scene();
  const ask = (how: number) => (i: number) => ({ name: `${fresh()}.z${i % 500}.example.`, how });
  scene.run(5000, 50, ask(bad));
  scene.reset();
  scene.run(5000, 50, ask(bad));
  assert.ok(scene.asked < 1500, `${scene.asked} of 250,000 reached backends`);
  scene.run(5000, 50, ask(good));
  scene.reset();
  scene.run(1000, 50, ask(good));
  assert.equal(scene.failing, 0);
});

test('any names, in any order, leave nothing outstanding behind', () => {
  const label = fc.constantFrom('a', 'b', 'co', 'uk', 'arpa', 'ip6', 'in-addr', 'C', 'x-y');
  const name = fc.array(label, { maxLength: 20 }).map(labels => `${labels.join('.')}.`);
  fc.assert(
    fc.property(fc.array(fc.tuple(name, fc.integer({ min: 0, max: 4 })), { maxLength: 60 }), questions => {
      const scene = new Scene();
      scene.inFlight = 600;
      for (const [text, how] of questions) scene.ask({ name: text === '' ? '.' : text, how });
      for (let i = 0; i < 5; i++) scene.tick();
      assert.equal(scene.inFlight, 600);
      assert.equal(scene.zones.outstanding, 0);
    }),
  );
});
