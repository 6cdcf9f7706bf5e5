/**
 * Takes down what the announcer is told, as the lines that a replay reads: what was taken down, replayed, gives the same
 * changes. Within bounds; when they are reached the oldest lines go, and what they said stands at the new beginning. Pure.
 */
import type { BackendState } from '#balance/board.ts';
import type { BudgetView, DrainOrder, Evidence, ListenerView } from './evidence.ts';
import { coarseRate } from './rate.ts';

export type RecorderOptions = {
  /** Time of day less the clock of the announcer, ms. */
  readonly dayOffset: number;
  /** Most lines that are kept. */
  readonly mostLines?: number;
  /** Most characters of them together. */
  readonly mostCharacters?: number;
};

/** A line: `subject` is what it tells of; a later line of the same subject stands in its place. */
type Line = { readonly at: number; readonly subject: string; readonly what: What };

/** What a line says, but for its time. `ends`: when what it tells of ends by itself. */
type What = { readonly rest: string; readonly ends: number | null };

export class Recorder {
  readonly #dayOffset: number;
  readonly #mostLines: number;
  readonly #mostCharacters: number;
  #lines: Line[] = [];
  #characters = 0;
  /** What stood before the first line, by subject. */
  readonly #base = new Map<string, What>();
  #begin: number | null = null;
  #loads = false;
  /** What was taken down last, by subject. */
  readonly #last = new Map<string, string>();
  #drain: DrainOrder | null = null;
  #traffic: { readonly at: number; readonly rate: number } | null = null;

  constructor({ dayOffset, mostLines = 5000, mostCharacters = 1_000_000 }: RecorderOptions) {
    this.#dayOffset = dayOffset;
    this.#mostLines = mostLines;
    this.#mostCharacters = mostCharacters;
  }

  /** Whether the load of the pools counts for any address: only then it is taken down. */
  set loads(loads: boolean) {
    this.#loads = loads;
  }

  /** Takes down what is new at one step. `now`: ms of the clock of the announcer, never less than before. */
  take(now: number, evidence: Evidence): void {
    this.#begin ??= now;
    // First, for the traffic before a drain is a line of the step before.
    this.#drained(now, evidence);
    this.#pools(now, evidence);
    this.#listeners(now, evidence.listeners);
    this.#put(now, 'warm', `"warm":${evidence.warm}`);
    this.#put(now, 'forbidden', `"forbidden":${JSON.stringify(evidence.forbidden)}`, '"forbidden":null');
    this.#budget(now, evidence.budget);
    this.#bound();
  }

  /** All lines, the first of which says when it begins. Empty where nothing was taken down. */
  lines(): string[] {
    if (this.#begin === null) return [];
    const begin = this.#begin;
    const day = new Date(Math.round(begin + this.#dayOffset)).toISOString();
    return [
      line(begin, { rest: `"begin":"${day}"`, ends: null }),
      ...Array.from(this.#base.values(), what => line(begin, what)),
      ...this.#lines.map(({ at, what }) => line(at, what)),
    ];
  }

  #pools(now: number, { pools }: Evidence): void {
    const gone = this.#subjects('backend');
    for (const { pool, members, everybody, load } of pools) {
      for (const { name, state } of members) {
        const subject = `backend ${pool}/${name}`;
        gone.delete(subject);
        this.#backend(now, subject, state);
      }
      const at = pool === 'default' ? '' : `,"pool":${JSON.stringify(pool)}`;
      this.#put(now, `everybody ${pool}`, `"everybody":${everybody}${at}`, `"everybody":false${at}`);
      if (this.#loads) {
        const rate = load === null ? null : coarseRate(load);
        this.#put(now, `load ${pool}`, `"load":${rate}${at}`, `"load":null${at}`);
      }
    }
    for (const subject of gone) this.#backend(now, subject, 'absent');
  }

  #backend(now: number, subject: string, state: BackendState): void {
    this.#put(
      now,
      subject,
      `"backend":${JSON.stringify(subject.slice('backend '.length))},"state":"${state}"`,
    );
  }

  #listeners(now: number, listeners: readonly ListenerView[]): void {
    const gone = this.#subjects('listener');
    for (const { address, udp, tcp, detail } of listeners) {
      gone.delete(`listener ${address}`);
      const verdict = `"udp":"${udp}","tcp":"${tcp}","detail":${JSON.stringify(detail)}`;
      this.#put(now, `listener ${address}`, `"listener":"${address}",${verdict}`);
    }
    for (const subject of gone) {
      const address = subject.slice('listener '.length);
      this.#put(now, subject, `"listener":"${address}","udp":"unknown","tcp":"unknown","detail":""`);
    }
  }

  #budget(now: number, budget: ReadonlyMap<string, BudgetView>): void {
    const gone = this.#subjects('budget');
    for (const [address, { verdict, detail }] of budget) {
      gone.delete(`budget ${address}`);
      const rest = `"budget":"${verdict}","address":"${address}","detail":${JSON.stringify(detail)}`;
      this.#put(now, `budget ${address}`, rest);
    }
    for (const subject of gone) {
      const address = subject.slice('budget '.length);
      this.#put(now, subject, `"budget":"free","address":"${address}","detail":""`);
    }
  }

  /** Subjects of a kind that a line was taken down of. */
  #subjects(kind: string): Set<string> {
    return new Set(Array.from(this.#last.keys()).filter(subject => subject.startsWith(`${kind} `)));
  }

  /** Traffic counts from just before a drain until its end, and swings all the time: only then it is taken down. */
  #drained(now: number, { drain: order, drainEnds, traffic }: Evidence): void {
    const drain = drainEnds !== null && now >= drainEnds ? null : order;
    if (drain && !this.#drain && this.#traffic) {
      const { at, rate } = this.#traffic;
      this.#put(Math.max(at, this.#lines.at(-1)?.at ?? at), 'traffic', `"traffic":${rate}`, '"traffic":null');
    }
    if (drain || this.#drain) this.#put(now, 'traffic', `"traffic":${traffic}`, '"traffic":null');
    // While nothing is drained it need not be told anew, but the next drain must know of it.
    if (!drain && traffic !== null) this.#traffic = { at: now, rate: traffic };
    this.#drain = drain;
    if (drain) {
      const { who, reason, stop } = drain;
      this.#put(now, 'drain', `"drain":${JSON.stringify({ who, reason, stop })}`, '', drainEnds);
    } else this.#put(now, 'drain', '"undrain":true', '"undrain":true');
  }

  /** Takes down a line where it differs from the last of its subject, or from what stands from the beginning. */
  #put(at: number, subject: string, rest: string, standing = '', ends: number | null = null): void {
    const same = ends === null ? rest : `${rest} ${ends}`;
    if ((this.#last.get(subject) ?? standing) === same) return;
    this.#last.set(subject, same);
    this.#lines.push({ at, subject, what: { rest, ends } });
    this.#characters += rest.length;
  }

  #bound(): void {
    if (this.#lines.length <= this.#mostLines && this.#characters <= this.#mostCharacters) return;
    // A quarter at once, so that this is rare.
    const goes = Math.ceil(this.#lines.length / 4);
    for (const { at, subject, what } of this.#lines.slice(0, goes)) {
      this.#begin = at;
      this.#characters -= what.rest.length;
      this.#base.set(subject, what);
    }
    this.#lines = this.#lines.slice(goes);
  }
}

function line(at: number, { rest, ends }: What): string {
  // A drain says last how long it has to go.
  const told = ends === null ? rest : `${rest.slice(0, -1)},"for":${exact(Math.max(0, ends - at))}}`;
  return `{"at":${exact(at)},${told}}`;
}

/** ms, no finer than a clock is. */
function exact(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
