/** Queries through the routers at an even pace, each of them accounted for: `flow-client.ts` on the client's host. */
import { fileURLToPath } from 'node:url';
import type { Host } from './host.ts';
import type { Program } from './program.ts';

/** One connection over TCP that asked again and again. */
export type FlowSession = {
  /** Of the client; 0 when it never came to be. */
  readonly port: number;
  readonly answered: number;
  /** When it broke; null: it lasted. ms since 1970, as all times here. */
  readonly broken: number | null;
  /** Longest wait for an answer, in ms. */
  readonly longest: number;
};

export type FlowAccount = {
  readonly began: number;
  readonly ended: number;
  readonly sent: number;
  readonly answered: number;
  /** When each query was sent that had no answer within two seconds, in order. */
  readonly lost: readonly number[];
  /** When each query was sent that was answered with another code than NOERROR. */
  readonly failed: readonly number[];
  /** Longest wait for an answer that came, in ms. */
  readonly latest: number;
  readonly sessions: readonly FlowSession[];
};

export type FlowOptions = {
  readonly to: string;
  /** Queries/s. */
  readonly rate?: number;
  /** Source ports, over which a layer-4 hash spreads them. */
  readonly sockets?: number;
  readonly connections?: number;
  /** Names are n0 … n999 and tcp in this zone, type A. */
  readonly zone?: string;
};

/** A flow of queries that goes on until `end`. What comes before all is warm is not counted. */
export class Flow {
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
  }

  static async start(client: Host, options: FlowOptions): Promise<Flow> {
    const { to, rate = 2000, sockets = 64, connections = 0, zone = 'wild.lab.internal' } = options;
    const node = fileURLToPath(new URL('../../bin/node', import.meta.url));
    const script = fileURLToPath(new URL('./flow-client.ts', import.meta.url));
    const args = [to, rate, sockets, connections, zone].map(String);
    const program = client.start(node, [script, ...args], { keepInput: true });
    await program.until('the flow to begin', () => program.stdout.includes('ready'));
    return new Flow(program);
  }

  /** Ends it, once what is under way had its time; gives the account. */
  async end(): Promise<FlowAccount> {
    this.#program.endInput();
    const { code } = await this.#program.ended;
    const line = this.#program.stdout.split('\n').find(text => text.startsWith('{'));
    if (code !== 0 || line === undefined) throw new Error(`the flow broke off\n${this.#program.log}`);
    return JSON.parse(line);
  }
}
