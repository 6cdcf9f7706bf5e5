/** BIRD for a test: a control socket and files of its own, in this test's network namespace, with sessions to the router. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, Program, temporaryFolder } from './process.ts';
import { session } from './router.ts';

/** BIRD's own configuration, which includes the file of Chorus. */
export function birdConfiguration(file: string, gracefulRestart: 'off' | 'on' = 'off'): string {
  const { outer, inner, ourAs } = session;
  const channel =
    'import none; export filter { if defined(bgp_med) then bgp_med = bgp_med; accept; }; next hop self;';
  const peer = (name: 'outer' | 'inner', { router, ours, routerAs }: typeof outer | typeof inner) => `
protocol bgp ${name} {
  local ${ours} as ${ourAs};
  neighbor ${router} as ${routerAs};
  hold time 9; connect retry time 1; connect delay time 1; error wait time 1,2; graceful restart ${gracefulRestart};
  ipv4 { ${channel} };
  ipv6 { ${channel} };
}`;
  return `log stderr all;
router id ${outer.ours};
protocol device { }
protocol static other4 { ipv4; route 198.51.100.0/24 blackhole; }
protocol static other6 { ipv6; route 2001:db8:99::/48 blackhole; }
include "${file}*";
${peer('outer', outer)}
${peer('inner', inner)}
`;
}

export class Bird {
  readonly folder: string;
  #program: Program;

  private constructor(folder: string) {
    this.folder = folder;
    this.#program = this.#launch();
  }

  static async start(gracefulRestart: 'off' | 'on' = 'off'): Promise<Bird> {
    const folder = temporaryFolder('bird');
    writeFileSync(join(folder, 'bird.conf'), birdConfiguration(join(folder, 'chorus.conf'), gracefulRestart));
    const bird = new Bird(folder);
    await bird.#answers();
    return bird;
  }

  get socket(): string {
    return join(this.folder, 'ctl');
  }
  /** The file of Chorus. */
  get file(): string {
    return join(this.folder, 'chorus.conf');
  }
  get log(): string {
    return this.#program.log;
  }

  async birdc(...words: readonly string[]): Promise<string> {
    return await must('birdc', ['-s', this.socket, words.join(' ')]);
  }
  async kill(): Promise<void> {
    await this.#program.kill();
  }
  async restart(): Promise<void> {
    this.#program = this.#launch();
    await this.#answers();
  }
  async stop(): Promise<void> {
    await this.#program.stop();
  }

  #launch(): Program {
    return new Program('bird', ['-f', '-c', join(this.folder, 'bird.conf'), '-s', this.socket]);
  }
  async #answers(): Promise<void> {
    await this.#program.until('its control socket', () => this.birdc('show', 'status'));
  }
}
