/** A terminal that shows one screen of text and redraws it in place. */
import { stripVTControlCharacters } from 'node:util';

export type Terminal = {
  /** Puts these lines in the place of the last ones. */
  draw(lines: readonly string[]): void;
  /** Leaves what was drawn, and gives keys and cursor back. */
  close(): void;
};

const esc = '\u001b';
const hideCursor = `${esc}[?25l`;
const showCursor = `${esc}[?25h`;
const clearScreen = `${esc}[H${esc}[2J`;

/** Takes over the terminal. `onKey` is told each key; Ctrl-C is '\u0003'. `onResize` is to draw again. */
export function openTerminal(
  output: NodeJS.WriteStream,
  input: NodeJS.ReadStream,
  onKey: (key: string) => void,
  onResize: () => void,
): Terminal {
  let drawn = 0;
  // Terminals wrap what they show anew, so nobody knows where the last screen began.
  const resized = () => {
    output.write(clearScreen);
    drawn = 0;
    onResize();
  };
  output.on('resize', resized);
  const keys = (bytes: Buffer) => onKey(bytes.toString('latin1'));
  if (input.isTTY) {
    input.setRawMode(true);
    input.on('data', keys);
    input.resume();
  }
  output.write(hideCursor);
  return {
    draw(lines) {
      const shown = fit(lines, output.columns ?? 80, output.rows ?? 24);
      const up = drawn > 0 ? `${esc}[${drawn}A` : '';
      output.write(`${up}\r${shown.map(line => `${line}${esc}[K\n`).join('')}${esc}[J`);
      drawn = shown.length;
    },
    close() {
      output.off('resize', resized);
      output.write(showCursor);
      if (!input.isTTY) return;
      input.setRawMode(false);
      input.off('data', keys);
      input.pause();
    },
  };
}

/** Lines that fit a terminal: none is so long that it would wrap, and all stay in sight. */
export function fit(lines: readonly string[], columns: number, rows: number): string[] {
  return lines.slice(0, Math.max(1, rows - 1)).map(line => cut(line, columns));
}

/** Cut to `columns` visible characters, the last of them `…`; colours do not count, and are put back. */
function cut(line: string, columns: number): string {
  const length = [...stripVTControlCharacters(line)].length;
  if (length <= columns) return line;
  let left = columns - 1;
  let kept = '';
  for (const [index, part] of line.split(esc).entries()) {
    const colour = index === 0 ? '' : (/^\[\d+m/.exec(part)?.[0] ?? '');
    const shown = [...part.slice(colour.length)].slice(0, left);
    const whole = left > 0 && shown.length === left;
    left -= shown.length;
    kept += (index === 0 ? '' : esc + colour) + shown.join('') + (whole ? '…' : '');
  }
  return kept;
}
