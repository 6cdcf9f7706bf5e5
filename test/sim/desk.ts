/** Health in virtual time: the real prober and judge, with a clock of events and probes that go to the modelled backends. */
import type { Board } from '#balance/board.ts';
import { BoardReader } from '#daemon/evidence.ts';
import type { Clock } from '#health/clock.ts';
import type { Exchanger, Hearing } from '#health/exchange.ts';
import { Health, type HealthEvent } from '#health/health.ts';
import { Chance } from './chance.ts';

/** What health needs of the farm. */
export interface Surroundings {
  now(): number;
  /** Calls `woken(index)` at `at`. */
  wake(at: number, index: number): void;
  /** A probe leaves for backend `backend`; what comes back is told to `hearing`. */
  probe(backend: number, stream: boolean, bytes: Uint8Array, hearing: Hearing): void;
  changed(event: HealthEvent): void;
  /** Something that is said of a pool or a backend. */
  noticed(what: string): void;
}

export class Desk {
  readonly health: Health;
  readonly #waits: ((() => void) | null)[] = [];
  readonly #freeWaits: number[] = [];

  constructor(board: Board, live: boolean, seed: number, around: Surroundings) {
    const chance = new Chance(seed, 6);
    this.health = new Health({
      clock: this.#clock(around),
      random: bound => chance.below(bound),
      datagrams: exchanger(around, false),
      streams: exchanger(around, true),
      setState: (slot, state) => board.setState(slot, state),
      setWeight: (slot, thousandths) => board.setHealthWeight(slot, thousandths),
      onChange: event => around.changed(event),
      onNotice: ({ pool, backend, message }) => around.noticed(`${pool}/${backend ?? ''}: ${message}`),
      ...(live && { live: new BoardReader(board) }),
    });
  }

  #clock(around: Surroundings): Clock {
    return {
      now: () => around.now(),
      wall: () => 1_700_000_000_000 + around.now(),
      wait: (ms, then) => {
        const index = this.#freeWaits.pop() ?? this.#waits.length;
        this.#waits[index] = then;
        around.wake(around.now() + ms, index);
        return () => {
          // Its number is free when its time has come.
          if (this.#waits[index] === then) this.#waits[index] = null;
        };
      },
    };
  }

  /** The wait numbered `index` is over. */
  woken(index: number): void {
    const then = this.#waits[index];
    this.#waits[index] = null;
    this.#freeWaits.push(index);
    then?.();
  }
}

function exchanger(around: Surroundings, stream: boolean): Exchanger {
  return {
    exchange(to, bytes, hearing) {
      let open = true;
      // The last octet is the number of the backend, from 1.
      const backend = Number(to.address.slice(to.address.lastIndexOf('.') + 1)) - 1;
      around.probe(backend, stream, bytes, {
        message: answer => {
          if (open) hearing.message(answer);
        },
        failed: code => {
          if (open) hearing.failed(code);
        },
      });
      return () => {
        open = false;
      };
    },
  };
}
