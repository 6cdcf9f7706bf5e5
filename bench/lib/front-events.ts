/** What happens to a front of Chorus before real routers, and what is measured of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type FarmNet, frontAddress, service } from '#test/support/farm-net.ts';
import { Flow, type FlowAccount } from '#test/support/flow.ts';
import { poll } from '#test/support/poll.ts';
import type { Fronts } from './fronts.ts';

const rate = 2000;

/** Figures of one round, by the key of the metric. */
export type Figures = Record<string, number>;

export type FrontEvent = {
  readonly name: string;
  readonly label: string;
  /** Whether it means something for this way of announcing. */
  readonly suits?: (scene: Fronts) => boolean;
  run(scene: Fronts): Promise<Figures>;
};

/** When each router has lost, or has, the way by the first front, in ms since 1970. BIRD comes first. */
async function times(farm: FarmNet, what: 'appears' | 'vanishes', since: number): Promise<number[]> {
  return await Promise.all(
    farm.routers.map(({ watch, number }) =>
      watch[what](service.ipv4, frontAddress(1, number), since, 30_000),
    ),
  );
}

/** How long after `from` both routers had lost the way. */
async function gone(
  farm: FarmNet,
  since: number,
  from: () => number | Promise<number> = () => since,
): Promise<Figures> {
  const [bird = 0, frr = 0] = await times(farm, 'vanishes', since);
  const origin = await from();
  // The log may tell of a decision after the router has heard of it.
  return { gone: Math.max(0, bird - origin), goneFrr: Math.max(0, frr - origin) };
}

/** How long after `from` both routers had it. */
async function back(
  farm: FarmNet,
  since: number,
  from: () => number | Promise<number> = () => since,
): Promise<Figures> {
  const [bird = 0, frr = 0] = await times(farm, 'appears', since);
  const origin = await from();
  return { back: Math.max(0, bird - origin), backFrr: Math.max(0, frr - origin) };
}

const changed = (to: string) =>
  new RegExp(`service address changed address=${RegExp.escape(service.ipv4)} .*\\bto=${to}\\b`);

const startFlow = (scene: Fronts) =>
  Flow.start(scene.farm.client, { to: service.ipv4, rate, connections: 16 });

/** Losses of a flow while `act` runs. */
async function underLoad(
  scene: Fronts,
  act: (flow: { readonly began: number }) => Promise<Figures>,
): Promise<Figures> {
  const flow = await startFlow(scene);
  await sleep(700);
  const others = await portsOfOther(scene);
  const began = Date.now();
  const figures = await act({ began });
  await sleep(300);
  const account = await flow.end();
  const broken = account.sessions.filter(one => others.has(one.port) && one.broken !== null);
  return { ...figures, lost: lossOf(account, began), ...(others.size > 0 && { broken: broken.length }) };
}

const lossOf = ({ lost, failed }: FlowAccount, since: number) =>
  [...lost, ...failed].filter(at => at >= since - 50).length;

/** Client ports of the connections that the second front has. */
async function portsOfOther(scene: Fronts): Promise<Set<number>> {
  const text = await scene.farm.fronts[1]!.must('ss', ['-Htn', 'state', 'established', 'sport', '=', ':53']);
  return new Set([...text.matchAll(/:(\d+)\s*$/gm)].map(([, port]) => Number(port)));
}

const killed: FrontEvent = {
  name: 'front-killed',
  label: 'kill -9 of Chorus',
  async run(scene) {
    const front = scene.fronts[0]!;
    const figures = await underLoad(scene, async ({ began }) => {
      front.program.signal('SIGKILL');
      return await gone(scene.farm, began);
    });
    await front.program.ended;
    const again = Date.now();
    front.relaunch();
    return { ...figures, ...(await back(scene.farm, again, () => front.logged(changed('up'), again))) };
  },
};

const stopped: FrontEvent = {
  name: 'front-stopped',
  label: 'SIGSTOP of Chorus',
  async run(scene) {
    const front = scene.fronts[0]!;
    const figures = await underLoad(scene, async ({ began }) => {
      front.program.signal('SIGSTOP');
      return await gone(scene.farm, began);
    });
    const woken = Date.now();
    front.program.signal('SIGCONT');
    await times(scene.farm, 'appears', woken);
    return figures;
  },
};

const verdict: FrontEvent = {
  name: 'verdict',
  label: 'all backends dead: from the verdict; alive again: from the decision',
  async run(scene) {
    const front = scene.fronts[0]!;
    const figures = await underLoad(scene, async ({ began }) => {
      await scene.killNodes();
      return await gone(scene.farm, began, () => front.logged(changed('(down|rising)'), began));
    });
    const revived = Date.now();
    await Promise.all([scene.startNode(1), scene.startNode(2)]);
    return { ...figures, ...(await back(scene.farm, revived, () => front.logged(changed('up'), revived))) };
  },
};

const drained: FrontEvent = {
  name: 'drain',
  label: 'planned drain (gone: the traffic is elsewhere, from the command)',
  async run(scene) {
    const front = scene.fronts[0]!;
    const figures = await underLoad(scene, async ({ began }) => {
      const { code, stdout, stderr } = await front.command('drain', '--reason', 'bench');
      if (code !== 0) throw new Error(`chorus drain: exit ${code}\n${stdout}${stderr}`);
      return await gone(scene.farm, began);
    });
    const undrained = Date.now();
    await front.command('undrain');
    await times(scene.farm, 'appears', undrained);
    return figures;
  },
};

const daemon: FrontEvent = {
  name: 'daemon',
  label: 'kill -9 of the routing daemon beside it, started again (back: from its return)',
  suits: scene => scene.speaker !== undefined,
  async run(scene) {
    const figures = await underLoad(scene, async ({ began }) => {
      scene.speaker!.signal('SIGKILL');
      return await gone(scene.farm, began);
    });
    await scene.restartDaemons();
    const returned = Date.now();
    return { ...figures, ...(await back(scene.farm, returned - 2000, () => returned)) };
  },
};

const reset: FrontEvent = {
  name: 'reset',
  label: 'both routers reset the session (NOTIFICATION)',
  async run(scene) {
    return await underLoad(scene, async ({ began }) => {
      await Promise.all(scene.farm.routers.map(router => router.reset(1)));
      const [bird = 0, frr = 0] = await times(scene.farm, 'vanishes', began);
      const [thereBird = 0, thereFrr = 0] = await times(scene.farm, 'appears', began);
      return { gone: bird - began, goneFrr: frr - began, back: thereBird - bird, backFrr: thereFrr - frr };
    });
  },
};

const router: FrontEvent = {
  name: 'router',
  label: 'kill -9 of a router’s daemon, started again (back: from its return)',
  async run(scene) {
    const [bird] = scene.farm.routers;
    await bird!.speaker.kill();
    await bird!.restart();
    const returned = Date.now();
    await poll('the router to have the way again', () => bird!.knows(1), { every: 5 });
    return { back: Date.now() - returned };
  },
};

export const frontEvents: readonly FrontEvent[] = [verdict, killed, stopped, drained, daemon, reset, router];
