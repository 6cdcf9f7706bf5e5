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

/** When both routers have lost, or have, the way by the first front. */
async function atBoth(
  farm: FarmNet,
  what: 'appears' | 'vanishes',
  since: number,
  limit = 30_000,
): Promise<number> {
  const times = farm.routers.map(({ watch, number }) =>
    watch[what](service.ipv4, frontAddress(1, number), since, limit),
  );
  return Math.max(...(await Promise.all(times)));
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
  const began = Date.now();
  const figures = await act({ began });
  await sleep(300);
  const account = await flow.end();
  return { ...figures, lost: lossOf(account, began), broken: brokenBefore(account, began) };
}

const lossOf = ({ lost, failed }: FlowAccount, since: number) =>
  [...lost, ...failed].filter(at => at >= since - 50).length;

/** Sessions that broke though nothing had happened to their front yet. */
const brokenBefore = ({ sessions }: FlowAccount, began: number) =>
  sessions.filter(({ broken }) => broken !== null && broken < began).length;

const killed: FrontEvent = {
  name: 'front-killed',
  label: 'kill -9 of Chorus',
  async run(scene) {
    const front = scene.fronts[0]!;
    const figures = await underLoad(scene, async ({ began }) => {
      front.program.signal('SIGKILL');
      return { gone: (await atBoth(scene.farm, 'vanishes', began)) - began };
    });
    await front.program.ended;
    const again = Date.now();
    front.relaunch();
    return {
      ...figures,
      back: (await atBoth(scene.farm, 'appears', again)) - (await front.logged(changed('up'), again)),
    };
  },
};

const stopped: FrontEvent = {
  name: 'front-stopped',
  label: 'SIGSTOP of Chorus',
  async run(scene) {
    const front = scene.fronts[0]!;
    const figures = await underLoad(scene, async ({ began }) => {
      front.program.signal('SIGSTOP');
      return { gone: (await atBoth(scene.farm, 'vanishes', began)) - began };
    });
    const woken = Date.now();
    front.program.signal('SIGCONT');
    await atBoth(scene.farm, 'appears', woken);
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
      const gone = await atBoth(scene.farm, 'vanishes', began);
      return { gone: gone - (await front.logged(changed('(down|rising)'), began)), noticed: gone - began };
    });
    const revived = Date.now();
    await Promise.all([scene.startNode(1), scene.startNode(2)]);
    const there = await atBoth(scene.farm, 'appears', revived);
    return { ...figures, back: there - (await front.logged(changed('up'), revived)) };
  },
};

const drained: FrontEvent = {
  name: 'drain',
  label: 'planned drain (gone: from the command)',
  async run(scene) {
    const front = scene.fronts[0]!;
    const figures = await underLoad(scene, async ({ began }) => {
      const { code, stdout, stderr } = await front.command('drain', '--reason', 'bench');
      if (code !== 0) throw new Error(`chorus drain: exit ${code}\n${stdout}${stderr}`);
      return { gone: (await atBoth(scene.farm, 'vanishes', began)) - began };
    });
    const undrained = Date.now();
    await front.command('undrain');
    await atBoth(scene.farm, 'appears', undrained);
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
      return { gone: (await atBoth(scene.farm, 'vanishes', began)) - began };
    });
    await scene.restartDaemons();
    const returned = Date.now();
    return {
      ...figures,
      back: Math.max(0, (await atBoth(scene.farm, 'appears', returned - 2000)) - returned),
    };
  },
};

const reset: FrontEvent = {
  name: 'reset',
  label: 'both routers reset the session (NOTIFICATION)',
  async run(scene) {
    return await underLoad(scene, async ({ began }) => {
      await Promise.all(scene.farm.routers.map(router => router.reset(1)));
      const gone = await atBoth(scene.farm, 'vanishes', began);
      return { gone: gone - began, back: (await atBoth(scene.farm, 'appears', gone)) - gone };
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
