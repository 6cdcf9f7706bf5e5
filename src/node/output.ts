/**
 * What a server says, on its way to our log: cut into lines, without control characters, bounded in length and number. The
 * last lines are kept, to be told when it ends. Time is given to it.
 */

/** Characters of a line that are shown. */
export const lineLimit = 500;
/** Lines that are let through at once, and lines a second after that. */
export const lineBurst = 200;
export const lineRate = 10;
/** Last lines that are kept. */
export const keptLines = 12;

/** Characters that change how a terminal or a reader of logs sees a line. */
const unprintable = /[^\x20-\x7e\xa0-\u200a\u2010-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd]/g;

/** A line as it can be shown. */
export function plainLine(line: string): string {
  const plain = line.replace(/\t/g, ' ').replace(unprintable, '').trimEnd();
  return plain.length > lineLimit ? `${plain.slice(0, lineLimit - 1)}…` : plain;
}

export class Output {
  readonly #now: () => number;
  readonly #line: (line: string) => void;
  readonly #lost: (lines: number) => void;
  #kept: string[] = [];
  #room = lineBurst;
  #at: number;
  #dropped = 0;

  /** `line` takes each line that is let through; `lost` is told how many were not, before the next one that is. */
  constructor(now: () => number, line: (line: string) => void, lost: (lines: number) => void) {
    this.#now = now;
    this.#at = now();
    this.#line = line;
    this.#lost = lost;
  }

  /** The last lines, oldest first. */
  get last(): readonly string[] {
    return this.#kept;
  }

  /** Gives a function that takes the pieces of one stream, and one that takes its end. */
  stream(): { readonly write: (piece: string) => void; readonly end: () => void } {
    let rest = '';
    /** The beginning of the line was too long already. */
    let over = false;
    const finish = () => {
      if (!over) this.#take(rest);
      rest = '';
      over = false;
    };
    return {
      write: piece => {
        let from = 0;
        for (let at = piece.indexOf('\n'); at >= 0; at = piece.indexOf('\n', from)) {
          if (!over) rest += piece.slice(from, at);
          finish();
          from = at + 1;
        }
        if (!over) rest += piece.slice(from);
        if (rest.length > 2 * lineLimit && !over) {
          this.#take(rest);
          rest = '';
          over = true;
        }
      },
      end: finish,
    };
  }

  #take(text: string): void {
    const line = plainLine(text);
    if (line === '') return;
    this.#kept.push(line);
    if (this.#kept.length > keptLines) this.#kept.shift();
    const now = this.#now();
    this.#room = Math.min(lineBurst, this.#room + ((now - this.#at) * lineRate) / 1000);
    this.#at = now;
    if (this.#room < 1) {
      this.#dropped++;
      return;
    }
    this.#room--;
    if (this.#dropped > 0) this.#lost(this.#dropped);
    this.#dropped = 0;
    this.#line(line);
  }
}
