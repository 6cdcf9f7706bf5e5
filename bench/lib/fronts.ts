/**
 * Two fronts of Chorus behind two routers (BIRD and FRR) with equal-cost multipath, in network namespaces, each with two nodes of its own:
 * so that one site can lose all of them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { FarmNet, frontAddress, nodeAddress, nodeAddress6, service } from '#test/support/farm-net.ts';
import { poll } from '#test/support/poll.ts';
import type { Program } from '#test/support/program.ts';
import { basics, RoutedFront, startNode } from '#test/support/routed-front.ts';
import type { Way } from '#test/support/ways.ts';

export class Fronts {
  readonly farm: FarmNet;
  readonly way: Way;
  readonly fronts: RoutedFront[] = [];
  readonly #nodes: Program[] = [];
  readonly #daemons: Program[][] = [];

  private constructor(farm: FarmNet, way: Way) {
    this.farm = farm;
    this.way = way;
  }

  static async start(way: Way): Promise<Fronts> {
    const farm = await FarmNet.make({ routers: ['bird', 'frr'], fronts: 2, nodes: 4 });
    const scene = new Fronts(farm, way);
    await Promise.all([1, 2, 3, 4].map(node => scene.startNode(node)));
    for (const [i, host] of farm.fronts.entries()) {
      const front = i + 1;
      if (way.onLoopback) await host.ip(`address add ${service.ipv4}/32 dev lo`);
      scene.#daemons[i] = await way.daemons(host, front);
      scene.fronts.push(
        RoutedFront.launch(host, {
          ...basics(front === 1 ? [1, 2] : [3, 4]),
          'route-drivers': way.drivers(front, ['ipv4']),
          'service-addresses': [
            {
              address: service.ipv4,
              rise: '500ms',
              hold: { first: '0s' },
              ...(way.via && { via: way.via.ipv4 }),
            },
          ],
        }),
      );
    }
    return scene;
  }

  async startNode(node: number): Promise<void> {
    this.#nodes[node - 1] = await startNode(this.farm.nodes[node - 1]!, [
      nodeAddress(node),
      nodeAddress6(node),
    ]);
  }

  /** Kills the nodes of the first front; gives when. */
  async killNodes(): Promise<number> {
    const began = Date.now();
    await Promise.all([this.#nodes[0]!.kill(), this.#nodes[1]!.kill()]);
    return began;
  }

  /** What announces beside the first front; undefined where Chorus does it alone. */
  get speaker(): Program | undefined {
    return this.#daemons[0]?.at(-1);
  }

  /** Starts the first front's routing daemons again. */
  async restartDaemons(): Promise<void> {
    await Promise.all((this.#daemons[0] ?? []).map(daemon => daemon.kill()));
    this.#daemons[0] = await this.way.daemons(this.farm.fronts[0]!, 1);
  }

  /** Waits until both routers have both ways and nothing changes for a while. */
  async settled(quiet = 500): Promise<void> {
    const both = () =>
      this.farm.routers.every(({ watch, number }) =>
        [1, 2].every(front => watch.hops(service.ipv4).has(frontAddress(front, number))),
      );
    await poll(
      'both routers to have both ways',
      async () => {
        if (!both()) return false;
        await sleep(quiet);
        return both();
      },
      { deadline: 60_000, explain: () => this.fronts.map(({ program }) => program.log).join('\n') },
    );
  }

  async stop(): Promise<void> {
    for (const { program } of this.fronts) program.signal('SIGCONT');
    await Promise.all(this.fronts.map(({ program }) => program.kill()));
    await Promise.all([...this.#daemons.flat(), ...this.#nodes].map(program => program.kill()));
    await this.farm.stop();
  }
}
