/**
 * Evidence: anything that speaks for or against a backend. A new kind is one line here and whatever feeds it to
 * `Health.take`; the judge keeps a window for each kind and believes the worst of them.
 */
import type { Family } from './targets.ts';

/** The kinds of evidence. */
export const evidenceKinds = {
  /** `many` names several pieces in a reason; `whileDown`: it is gathered from a backend that is down, so it can bring it back. */
  probe: { many: 'probes', whileDown: true },
} as const satisfies Record<string, { readonly many: string; readonly whileDown: boolean }>;

export type EvidenceKind = keyof typeof evidenceKinds;

/** One piece of evidence. */
export type Evidence = {
  readonly kind: EvidenceKind;
  readonly family: Family;
  readonly good: boolean;
  /** When it was seen, in ms of the clock that health was given. */
  readonly at: number;
  /** In words: "timeout after 500ms", "NOERROR in 0.4ms". */
  readonly detail: string;
  /** How long the answer took, in ms; null when there was none. */
  readonly latency: number | null;
};
