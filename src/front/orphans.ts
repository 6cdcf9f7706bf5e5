/**
 * Attempts whose question has ended without them. Nobody waits for their answers, but whether and when they come is evidence about
 * their backends.
 */
import { foldedHash } from '#kit/fold.ts';
import { Wheel } from '#kit/wheel.ts';
import type { AnswerScan } from '#wire/scan.ts';
import { type Attempts, attemptField, attemptMark, maxAttempts } from './attempts.ts';
import { rcode } from './compose.ts';
import { field, type InFlight, mark, outcome } from './inflight.ts';
import type { Ledger } from './ledger.ts';
import { blames, mayLackQuestion, outcomeOf, troubles } from './outcomes.ts';

/** A backend whose sibling has answered is silent when it has not within this, or within so many hedge delays, ms. */
const silentAfter = 100;
const silentDelays = 4;

export class Orphans {
  readonly #u8: Uint8Array;
  readonly #attempts: Attempts;
  readonly #table: InFlight;
  readonly #ledger: Ledger;
  readonly #wheel = new Wheel(maxAttempts);

  constructor(u8: Uint8Array, attempts: Attempts, table: InFlight, ledger: Ledger) {
    this.#u8 = u8;
    this.#attempts = attempts;
    this.#table = table;
    this.#ledger = ledger;
  }

  /** When `expire` has something to do at the earliest (ms). */
  deadline(): number {
    return this.#wheel.count === 0 ? Infinity : this.#wheel.next();
  }

  /**
   * Takes an attempt whose `query` ends now. `judged`: another backend has answered it well, so that silence is this one's fault. One
   * that nothing more is to be learnt from is taken out.
   */
  adopt(query: number, attempt: number, judged: boolean, now: number): void {
    const attempts = this.#attempts;
    const table = this.#table;
    const slot = attempts.get(attempt, attemptField.slot);
    const timedOut = attempts.is(attempt, attemptMark.timedOut);
    const doubted = attempts.is(attempt, attemptMark.doubted);
    const company = attempts.is(attempt, attemptMark.company);
    if (judged && timedOut && !company) this.#ledger.blame(slot, 'blamedSilent', now);
    else if (judged && doubted) this.#ledger.blame(slot, 'blamedMalformed', now);
    const single = (table.get(query, field.marks) & (mark.pass | mark.diagnosis)) !== 0;
    if (timedOut || single || attempts.crowded) {
      if (judged && !timedOut && attempts.is(attempt, attemptMark.troubled))
        this.#ledger.blame(slot, 'blamedNetwork', now);
      this.#ledger.ended(slot);
      attempts.remove(attempt);
      return;
    }
    const hash = foldedHash(this.#u8, table.nameAt(query), table.get(query, field.nameLength));
    attempts.set(attempt, attemptField.query, 0);
    attempts.set(attempt, attemptField.nameHash, hash | 0);
    attempts.set(attempt, attemptField.type, table.get(query, field.type));
    const end = attempts.sent[attempt]! + table.get(query, field.timeout);
    const patience = Math.max(silentAfter, table.get(query, field.delay) * silentDelays);
    const watched = judged && !doubted && !company;
    if (!watched) attempts.mark(attempt, attemptMark.blamed);
    attempts.deadline[attempt] = end;
    this.#wheel.set(attempt, Math.max(now, watched ? Math.min(end, now + patience) : end));
  }

  /** An answer came, scanned, at `at`. It is taken for what it says of the backend if it has the question. */
  answered(attempt: number, at: number, scan: AnswerScan, sound: boolean, now: number): void {
    const attempts = this.#attempts;
    const ledger = this.#ledger;
    const slot = attempts.get(attempt, attemptField.slot);
    const same =
      scan.nameLength === 0
        ? mayLackQuestion(this.#u8[at + 3]! & 15)
        : scan.type === attempts.get(attempt, attemptField.type) &&
          (foldedHash(this.#u8, at + 12, scan.nameLength) | 0) ===
            attempts.get(attempt, attemptField.nameHash);
    if (!same) {
      ledger.note(slot, 'unexpected');
      return;
    }
    const became = outcomeOf(this.#u8, at, scan, sound);
    ledger.answered(slot, now - attempts.sent[attempt]!, became !== outcome.open);
    ledger.count(slot, 'late');
    if (became !== outcome.open) {
      ledger.note(slot, troubles[became]!);
      if (!attempts.is(attempt, attemptMark.blamed)) ledger.blame(slot, blames[became]!, now);
    } else if (scan.rcode === rcode.nxdomain) ledger.count(slot, 'nxdomain');
    this.#remove(attempt);
  }

  /** The network says that no answer will come. `certain`: a connection is gone; else it may be forged, and the wait goes on. */
  broken(attempt: number, certain: boolean, now: number): void {
    const attempts = this.#attempts;
    attempts.mark(attempt, attemptMark.troubled);
    if (!certain) return;
    const slot = attempts.get(attempt, attemptField.slot);
    if (!attempts.is(attempt, attemptMark.blamed)) this.#ledger.blame(slot, 'blamedNetwork', now);
    this.#remove(attempt);
  }

  /** Blames the silent, and takes out what has been waited for long enough. */
  expire(now: number): void {
    if (this.#wheel.count === 0) return;
    for (let attempt = this.#wheel.take(now); attempt !== 0; attempt = this.#wheel.take(now)) {
      this.#due(attempt, now);
    }
  }

  #due(attempt: number, now: number): void {
    const attempts = this.#attempts;
    const slot = attempts.get(attempt, attemptField.slot);
    const end = attempts.deadline[attempt]!;
    if (!attempts.is(attempt, attemptMark.blamed)) {
      attempts.mark(attempt, attemptMark.blamed);
      const troubled = attempts.is(attempt, attemptMark.troubled);
      this.#ledger.blame(slot, troubled ? 'blamedNetwork' : 'blamedSilent', now);
    }
    if (now < end) {
      this.#wheel.set(attempt, end);
      return;
    }
    this.#ledger.note(slot, 'timeout');
    this.#remove(attempt);
  }

  #remove(attempt: number): void {
    this.#wheel.clear(attempt);
    this.#ledger.ended(this.#attempts.get(attempt, attemptField.slot));
    this.#attempts.remove(attempt);
  }
}
