/** What `chorus probe` shows. */
import type { FarmFailure, FarmReport, FarmRow } from '#insight/farm-probe.ts';
import { paint, table } from './command.ts';

const heads = [
  'node',
  'via',
  'sent',
  'answered',
  'NXDOMAIN',
  'SERVFAIL',
  'other',
  'timeout',
  'error',
  'p50',
  'p95',
  'max',
  'failed',
];
const numbers = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/** The nodes as a table, a line for each node and transport. */
export function probeTable({ rows }: FarmReport): string {
  return table([heads.map(head => paint('dim', head)), ...rows.map(cells)], numbers);
}

function cells(row: FarmRow): string[] {
  const sum = (counts: Readonly<Record<string, number>>) =>
    Object.values(counts).reduce((total, count) => total + count, 0);
  const bad = (value: number) => (value > 0 ? paint('red', whole(value)) : '0');
  const odd = row.standsOut.length > 0;
  return [
    odd ? paint('red', row.node) : row.node,
    row.transport,
    whole(row.sent),
    whole(row.answered),
    whole(row.nxdomain),
    bad(row.servfail),
    bad(sum(row.otherRcodes) + row.malformed),
    bad(row.timeouts),
    bad(sum(row.errors)),
    ms(row.latencyMs.p50),
    ms(row.latencyMs.p95),
    ms(row.latencyMs.max),
    share(row),
  ];
}

function share({ failureShare }: FarmRow): string {
  if (failureShare === null) return '-';
  const text = `${(failureShare * 100).toFixed(failureShare > 0 && failureShare < 0.1 ? 1 : 0)}%`;
  return failureShare > 0 ? paint('red', text) : text;
}

/** What it comes to, a line each. */
export function probeVerdict(report: FarmReport): string[] {
  const { rows, verdict } = report;
  const lines = rows.flatMap(row =>
    row.standsOut.map(reason =>
      paint('red', `${row.node} stands out over ${row.transport.toUpperCase()}: ${reason}`),
    ),
  );
  for (const row of rows) {
    const parts = [
      ...Object.entries(row.otherRcodes).map(([rcode, count]) => `${whole(count)} ${rcode}`),
      ...Object.entries(row.errors).map(([error, count]) => `${whole(count)} ${error}`),
      ...(row.malformed > 0 ? [`${whole(row.malformed)} malformed`] : []),
      ...(row.notMade > 0 ? [`${whole(row.notMade)} not asked, for want of something on this machine`] : []),
    ];
    if (parts.length > 0) lines.push(`${row.node} over ${row.transport.toUpperCase()}: ${parts.join(', ')}`);
  }
  if (verdict === 'alike') lines.push(paint('green', 'no node stands out'));
  if (verdict === 'failing') {
    const alone = new Set(rows.map(row => row.node)).size === 1;
    const why = alone
      ? 'questions fail; with one node there is none to compare it with'
      : 'questions fail and no node stands out: look at what all have in common, the name, the zone, the way out';
    lines.push(paint('red', why));
  }
  return lines;
}

/** What is asked, a line. */
export function probeTitle({ asked, type, rows, intervalMs }: FarmReport): string {
  const nodes = new Set(rows.map(row => row.server)).size;
  return `${asked} ${type}, ${nodes} ${nodes === 1 ? 'node' : 'nodes'}, each asked every ${ms(intervalMs)} over each transport`;
}

/** One failure, a line. */
export function failureLine({ at, node, transport, name, detail }: FarmFailure): string {
  const time = new Date(at).toISOString().slice(11, 23);
  return `${time} ${node} ${transport} ${detail} (${name})`;
}

function whole(value: number): string {
  return value.toLocaleString('en');
}

function ms(value: number | null): string {
  if (value === null) return '-';
  if (value >= 1000) return `${Number((value / 1000).toFixed(1))} s`;
  return value < 10 ? `${value.toFixed(2)} ms` : `${Math.round(value)} ms`;
}
