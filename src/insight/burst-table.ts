/** Bursts as lines of text, each complete in itself, so that they can be shown while the run goes on. */
import type { BurstRow } from './burst.ts';

const barWidth = 20;
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

const columns = [
  ['burst', 8],
  ['answered', 9],
  ['lost', 8],
  ['most', 8],
  ['SERVFAIL', 9],
  ['other', 7],
  ['doubled', 8],
  ['own drops', 10],
  ['sent in', 10],
  ['last in', 10],
] as const;

/** The head of the table. */
export function burstHeader(): string {
  return columns.map(([title, width]) => title.padStart(width)).join(' ');
}

/** One size of burst. Lost: the median of the rounds and the most; times: medians; the rest: sums over the rounds. */
export function burstLine(row: BurstRow): string {
  const cells = [
    whole(row.count),
    percent(row.answeredShare),
    whole(row.lostMedian),
    whole(row.lostMost),
    whole(row.servfail),
    whole(row.otherRcode),
    whole(row.doubled),
    row.droppedHere === null ? '?' : whole(row.droppedHere),
    time(row.sendMs),
    row.lastMs === null ? '-' : time(row.lastMs),
  ];
  const line = cells.map((cell, index) => cell.padStart(columns[index]?.[1] ?? 0)).join(' ');
  return `${line}  ${bar(row.answeredShare)}`.trimEnd();
}

/** What should be said of a row beside its numbers; empty when there is nothing. */
export function burstNotes(row: BurstRow): string[] {
  const notes: string[] = [];
  if (row.unsent > 0) notes.push(`${whole(row.unsent)} queries could not be sent by this machine`);
  if (row.droppedHere !== null && row.droppedHere > 0) {
    notes.push(
      `${whole(row.droppedHere)} answers came and were dropped by this machine: not the server's loss`,
    );
  }
  if (row.unreachable > 0) notes.push(`${whole(row.unreachable)} times the server's port was closed`);
  if (row.strange > 0) notes.push(`${whole(row.strange)} datagrams came that answer nothing that was asked`);
  return notes;
}

/** A bar of up to 20 characters. Full only for all, empty only for none. */
export function bar(share: number): string {
  const steps = barWidth * 8;
  const rounded = Math.round(share * steps);
  const filled = share <= 0 ? 0 : share >= 1 ? steps : Math.min(steps - 1, Math.max(1, rounded));
  return '█'.repeat(filled >> 3) + eighths[filled & 7];
}

/** Cut, not rounded: 100.00% only when nothing is missing. */
function percent(share: number): string {
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)}%`;
}

function whole(value: number): string {
  return value.toLocaleString('en-US');
}

function time(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms).toLocaleString('en-US')} ms`;
}
