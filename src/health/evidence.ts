/**
 * Evidence: anything that speaks for or against a backend. Active evidence comes from probes, piece by piece (`Evidence`); the
 * judge keeps a window for each probe. Passive evidence is found in live traffic (siblings.ts), as a finding that weighs a
 * whole sample (`Finding`).
 */
import type { Family } from './targets.ts';

/** Every kind, in the words of a metric's label. */
export const evidenceKinds = {
  /** A probe failed. */
  probe: 'A probe failed.',
  /** It answers nothing while its siblings answer. */
  silent: 'It answered nothing while its siblings answered.',
  /** Half of its answers or more are failures of its own. */
  failing: 'Half of what it was asked, or more, ended in failures of its own.',
  /** Too large a share of its answers are failures of its own. */
  sporadic: 'A share of what it was asked ended in failures of its own, far above its siblings’.',
  /** It says NXDOMAIN far more or less often than its siblings. */
  lies: 'It said NXDOMAIN far more, or far less, often than its siblings.',
  /** It is slow beside its siblings; that takes weight, never the backend. */
  slow: 'It was slow beside its siblings: its weight fell.',
} as const satisfies Record<string, string>;

export type EvidenceKind = keyof typeof evidenceKinds;

/** One piece of active evidence. */
export type Evidence = {
  /** Which probe, where there are several: its label. */
  readonly source?: string;
  readonly family: Family;
  readonly good: boolean;
  /** When it was seen, in ms of the clock that health was given. */
  readonly at: number;
  /** In words: "timeout after 500ms", "NOERROR in 0.4ms". */
  readonly detail: string;
  /** How long the answer took, in ms; null when there was none. */
  readonly latency: number | null;
  /** The failure is the backend’s own beyond doubt: its machine said that no server listens there. */
  readonly nobody?: boolean;
};

/** What live traffic says against a backend. */
export type Finding = {
  readonly kind: Exclude<EvidenceKind, 'probe' | 'slow'>;
  /** How sure it is: 1 is enough to take the backend out. */
  readonly score: number;
  /** In words. */
  readonly detail: string;
};
