/** The withdrawal budget at work: the machine of budget.ts, with etcd and the clock around it. */
import { readFileSync } from 'node:fs';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import { type Asked, BudgetMachine, type BudgetRules, type FarmRow, type StoreReply } from './budget.ts';
import { EtcdClient, LeaseGone, type Wait } from './etcd.ts';
import type { BudgetView } from './evidence.ts';
import type { AddressReport, BudgetStatus } from './report.ts';

export type BudgetSettings = {
  readonly rules: BudgetRules;
  /** URLs of etcd. */
  readonly etcd: readonly string[];
  readonly timeout: number;
  readonly user: string | null;
  /** Files; null: none. They are read once, at the start. */
  readonly passwordFile: string | null;
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
};

export type BudgetSurroundings = {
  /** Monotonic time in ms, that of the address reports. */
  readonly now: () => number;
  /** Time of day in ms since 1970. */
  readonly wall: () => number;
  /** Calls `then` once, `ms` from now; gives the function that calls it off. */
  readonly wait: (ms: number, then: () => void) => () => void;
  /** Uniform in 0 … bound−1. */
  readonly random: (bound: number) => number;
  readonly onNotice: (
    level: 'info' | 'warn' | 'error',
    message: string,
    details?: Readonly<Record<string, string | number>>,
  ) => void;
  /** The view, the farm or the status has changed. */
  readonly onChange: () => void;
};

export class WithdrawalBudget {
  readonly #settings: BudgetSettings;
  readonly #world: BudgetSurroundings;
  readonly #machine: BudgetMachine;
  readonly #client: EtcdClient;
  #view: ReadonlyMap<string, BudgetView> = new Map();
  #shown = '';
  #endWatch: () => void = () => {};
  #callOff: () => void = () => {};
  #closing: Promise<void> | null = null;

  /** Nothing is begun before the first `tell`. @throws ChorusError ETCD_FILE */
  constructor(settings: BudgetSettings, world: BudgetSurroundings) {
    this.#settings = settings;
    this.#world = world;
    this.#client = makeClient(settings, world.wait);
    const instance = Array.from({ length: 16 }, () => world.random(16).toString(16)).join('');
    this.#machine = new BudgetMachine(settings.rules, { ...world, instance });
  }

  /**
   * What the announcer says now, after each of its steps. `there`: whether an address stands in a router; null where nothing is
   * known of that. Where the view changes by it, `onChange` is called.
   */
  tell(reports: readonly AddressReport[], there: (address: string) => boolean | null = () => null): void {
    if (this.#closing !== null) return;
    this.#machine.announced(
      reports.map(({ address, state, reason, found, asks }) => ({
        address,
        state,
        reason,
        found: found.verdict,
        since: found.since,
        asks,
        there: there(address) ?? true,
      })),
    );
    this.#turn();
  }

  /** For the evidence, by service address. */
  views(): ReadonlyMap<string, BudgetView> {
    return this.#view;
  }

  /** All fronts that are known, ourselves too. */
  farm(): readonly FarmRow[] {
    return this.#machine.farm();
  }

  status(): BudgetStatus {
    const { state, since, detail, problems, warnings } = this.#machine.status();
    const { farm, member } = this.#settings.rules;
    return {
      farm,
      member,
      state,
      since: this.#world.wall() - (this.#world.now() - since),
      detail,
      problems: problems.map(({ code, message, remedy }) => ({ code, message, remedy })),
      warnings,
    };
  }

  /** Takes our keys out of etcd, so that the others know at once; ends after one request's time at the latest. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#callOff();
    this.#endWatch();
    const lease = this.#machine.close();
    // Left alone it ends with its time.
    if (lease !== null) await this.#client.revoke(lease).catch(() => {});
    this.#client.close();
  }

  #turn(): void {
    if (this.#closing !== null) return;
    this.#callOff();
    const { ask, notices, at } = this.#machine.step();
    this.#callOff = this.#world.wait(Math.max(1, at - this.#world.now()), () => this.#turn());
    for (const asked of ask) this.#do(asked);
    for (const { level, message, details } of notices) this.#world.onNotice(level, message, details);
    this.#view = this.#machine.view();
    const { state, problems, warnings } = this.#machine.status();
    const shown = JSON.stringify([
      [...this.#view],
      this.#machine.farm(),
      state,
      problems.map(({ message }) => message),
      warnings,
    ]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#world.onChange();
  }

  #do({ id, request }: Asked): void {
    if (request.kind === 'watch') {
      this.#endWatch();
      this.#endWatch = this.#client.watch(request.prefix, request.from, message => {
        this.#machine.watched(id, message);
        this.#turn();
      });
      return;
    }
    const reply = (): Promise<StoreReply> => {
      switch (request.kind) {
        case 'grant':
          return this.#client.grant(request.seconds).then(granted => ({ kind: 'granted', ...granted }));
        case 'renew':
          return this.#client.renew(request.lease).then(ttl => ({ kind: 'renewed', ttl }));
        case 'list':
          return this.#client.range(request.prefix).then(range => ({ kind: 'listed', ...range }));
        case 'write':
          return this.#client.txn(request.txn).then(done => ({ kind: 'written', ...done }));
      }
    };
    reply()
      .catch((error: unknown): StoreReply => {
        const leaseGone = error instanceof LeaseGone;
        const problem =
          error instanceof ChorusError
            ? error
            : new ChorusError('ETCD_REFUSED', {
                url: this.#client.url,
                what: request.kind,
                reason: reasonOf(error),
              });
        return { kind: 'failed', problem, leaseGone };
      })
      .then(said => {
        if (this.#closing !== null) return;
        this.#machine.replied(id, said);
        this.#turn();
      });
  }
}

function makeClient({ etcd: urls, timeout, user, ...files }: BudgetSettings, wait: Wait): EtcdClient {
  const { passwordFile, ca, cert, key } = files;
  const password = passwordFile === null ? '' : read(passwordFile).replace(/\r?\n$/, '');
  const tls = { ca: ca && read(ca), cert: cert && read(cert), key: key && read(key) };
  try {
    return new EtcdClient({ urls, timeout, tls, auth: user === null ? null : { user, password } }, wait);
  } catch (error) {
    const file = [ca, cert, key].filter(Boolean).join(', ');
    throw new ChorusError('ETCD_FILE', { file, reason: reasonOf(error) });
  }
}

function read(file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length <= 2 ** 20) return text;
  } catch (error) {
    throw new ChorusError('ETCD_FILE', { file, reason: reasonOf(error) });
  }
  throw new ChorusError('ETCD_FILE', { file, reason: 'it is longer than 1 MiB' });
}
