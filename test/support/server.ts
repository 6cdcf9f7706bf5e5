/** A real nameserver with a configuration of its own, on a free port of 127.0.0.1 and ::1. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { Program, temporaryFolder } from './process.ts';
import { askTcp, askUdp, header, packet } from './raw.ts';
import { findProgram } from './requires.ts';

/** What it takes to start one kind of server. */
export type Recipe = {
  readonly program: string;
  /** Files for its folder, by name. */
  readonly files: Readonly<Record<string, string>>;
  readonly args: readonly string[];
};

/** Where a recipe's server shall work. */
export type Place = { readonly folder: string; readonly port: number };

export class NameServer {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly folder: string;
  readonly #recipe: Recipe;
  readonly #check: string;
  #program: Program;

  private constructor(name: string, recipe: Recipe, place: Place & { address: string }, check: string) {
    this.name = name;
    this.address = place.address;
    this.port = place.port;
    this.folder = place.folder;
    this.#recipe = recipe;
    this.#check = check;
    this.#program = this.#launch();
  }

  /**
   * Starts a server and waits until it answers an A question for `check` over UDP and TCP with NOERROR.
   * Its address is 127.0.0.1 and its port a free one, unless the recipe listens elsewhere (`at`).
   */
  static async start(
    name: string,
    recipe: (place: Place) => Recipe,
    check: string,
    at?: { readonly address: string; readonly port: number },
  ): Promise<NameServer> {
    const port = at?.port ?? (await freePort());
    const folder = temporaryFolder(name);
    const made = recipe({ folder, port });
    for (const [file, text] of Object.entries(made.files)) writeFileSync(join(folder, file), text);
    const server = new NameServer(name, made, { folder, port, address: at?.address ?? '127.0.0.1' }, check);
    await server.#answers();
    return server;
  }

  get program(): Program {
    return this.#program;
  }
  get log(): string {
    return this.#program.log;
  }

  /** Ends it without a word to anyone, as a crash would. */
  async kill(): Promise<void> {
    await this.#program.kill();
  }
  async stop(): Promise<void> {
    await this.#program.stop();
  }
  /** Starts it again on the same port with the same files. */
  async restart(): Promise<void> {
    await this.#program.stop();
    this.#program = this.#launch();
    await this.#answers();
  }

  #launch(): Program {
    const { program, args } = this.#recipe;
    // AppArmor would keep a packaged server from reading a configuration in a temporary folder.
    return confining()
      ? new Program('aa-exec', ['-p', 'unconfined', '--', program, ...args], { cwd: this.folder })
      : new Program(program, args, { cwd: this.folder });
  }

  async #answers(): Promise<void> {
    const question = packet({ name: this.#check });
    for (const ask of [askUdp, askTcp]) {
      await this.#program.until(`an answer for ${this.#check}`, async () => {
        const answer = await ask(this, question, 500);
        return answer !== undefined && header(answer).rcode === 0 && header(answer).counts[1] > 0;
      });
    }
  }
}

/** Whether AppArmor is in force and can be told to let a program be. */
function confining(): boolean {
  try {
    const enabled = readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y');
    return enabled && process.getuid?.() === 0 && findProgram('aa-exec') !== undefined;
  } catch {
    return false;
  }
}
