/** Looks at what one worker's front sends, and tells what it must not do. It knows only what can be seen from outside. */
import { queryFlag } from './messages.ts';
import type { Report } from './report.ts';

/** A question under way. */
type Episode = {
  readonly question: number;
  readonly since: number;
  /** Where it was sent: backend and transport. */
  readonly ways: number[];
  over: boolean;
};

/** A question may be sent so often to one address over one transport (RFC 9520 3.1). */
const mostOfOneWay = 3;
/** One without EDNS may stand for two: one of these, and one with EDNS that was not understood. */
const mostWithoutEdns = 6;

export class Watch {
  readonly #report: Report;
  readonly #mostSends: number;
  readonly #mostTime: number;
  /** Queries without an answer so far, by channel and id. */
  readonly #outstanding = new Map<number, Episode>();
  /** Transmissions that wait for a question. */
  readonly #waiting = new Map<number, number>();
  /** UPDATEs that came, less those that were passed on. */
  readonly #updates = new Map<number, number>();
  readonly #episodes = new Map<number, Episode>();

  /**
   * No question may be sent more than `mostSends` times; one that is under way for more than `mostTime` ms is another one.
   */
  constructor(report: Report, mostSends: number, mostTime: number) {
    this.#report = report;
    this.#mostSends = mostSends;
    this.#mostTime = mostTime;
  }

  /** A transmission begins to wait for the question, in so many packets; 0: it waits no more. */
  waiting(question: number, packets: number): void {
    if (packets > 0 && (question & queryFlag.update) !== 0) {
      this.#updates.set(question, (this.#updates.get(question) ?? 0) + packets);
    }
    const count = (this.#waiting.get(question) ?? 0) + (packets > 0 ? 1 : -1);
    if (count > 0) this.#waiting.set(question, count);
    else {
      this.#waiting.delete(question);
      this.#end(question);
    }
  }

  #end(question: number): void {
    const episode = this.#episodes.get(question);
    if (!episode) return;
    episode.over = true;
    this.#episodes.delete(question);
  }

  /**
   * The front asks `question` on `channel` with `id`; `way` stands for backend and transport. True when it is the
   * first time that it is asked for those who wait.
   */
  sent(channel: number, id: number, question: number, way: number, now: number): boolean {
    let episode = this.#episodes.get(question);
    if (episode && now - episode.since > this.#mostTime) {
      episode.over = true;
      episode = undefined;
    }
    // What nobody waits for is refreshed, or asked to understand a failure: no question of a client's.
    const first = !episode && this.#waiting.has(question);
    if (!episode) {
      episode = { question, since: now, ways: [], over: false };
      this.#episodes.set(question, episode);
    }
    const key = channel * 65_536 + id;
    const before = this.#outstanding.get(key);
    if (before && before !== episode && !before.over && this.#waiting.has(before.question)) {
      this.#report.violate(now, `id ${id} is used on channel ${channel} while another query has it`);
    }
    this.#outstanding.set(key, episode);
    const sends = episode.ways.push(way);
    if ((question & queryFlag.update) !== 0) {
      const left = (this.#updates.get(question) ?? 0) - 1;
      this.#updates.set(question, left);
      if (left < 0) this.#report.violate(now, 'an update is sent twice');
      return true;
    }
    this.#report.mostSends = Math.max(this.#report.mostSends, sends);
    // Failures of others are looked into with CD=1 (docs/failures.md): that is not part of the client's own question.
    if ((question & queryFlag.cd) !== 0) return first;
    if (sends > this.#mostSends) {
      this.#report.violate(now, `question ${question.toString(16)} is sent ${sends} times`);
    }
    const most = (question & queryFlag.edns) !== 0 ? mostOfOneWay : mostWithoutEdns;
    if (
      sends > most &&
      this.#mostSends < Infinity &&
      episode.ways.filter(other => other === way).length > most
    ) {
      this.#report.violate(now, `question ${question.toString(16)} is sent too often to one backend`);
    }
    return first;
  }

  /** A packet with this id is about to be given to the front. */
  answered(channel: number, id: number, question: number): void {
    const key = channel * 65_536 + id;
    if (this.#outstanding.get(key)?.question === question) this.#outstanding.delete(key);
    if (!this.#waiting.has(question)) this.#end(question);
  }

  /** The network has said that the channel is broken: what was sent on it may be forgotten. */
  broken(channel: number): void {
    for (const key of this.#outstanding.keys()) {
      if (Math.floor(key / 65_536) === channel) this.#outstanding.delete(key);
    }
  }
}
