/** Faults that a lab node shows on demand: `drop=0.3,servfail=0.3,delay=800ms`. */
import { ChorusError } from '#kit/errors.ts';
import { parseDuration } from '#kit/units.ts';

/** What goes wrong, and how often. Shares are in 0 … 1; `delay` is in ms. */
export type Faults = {
  /** Share of queries that get no answer. */
  readonly drop: number;
  /** Share of queries that are answered with SERVFAIL. */
  readonly servfail: number;
  /** Share of queries that are answered with REFUSED. */
  readonly refused: number;
  /** Share of answers that come with a wrong id. */
  readonly wrongid: number;
  /** Time before each answer, in ms. */
  readonly delay: number;
};

export const noFaults: Faults = { drop: 0, servfail: 0, refused: 0, wrongid: 0, delay: 0 };

/** What happens to one query. */
export type Fate = 'answer' | 'drop' | 'servfail' | 'refused' | 'wrongid';

const shares = ['drop', 'servfail', 'refused', 'wrongid'] as const;

/** Reads the text of `--fault`. Throws USAGE that names the part that is wrong. */
export function parseFaults(text: string): Faults {
  const faults: { -readonly [Key in keyof Faults]: number } = { ...noFaults };
  for (const part of text.split(',').filter(part => part.trim() !== '')) {
    const [key = '', value = ''] = part.split('=').map(side => side.trim());
    const share = shares.find(name => name === key);
    if (share !== undefined) {
      faults[share] = shareOf(key, value);
    } else if (key === 'delay') {
      faults.delay = delayOf(value);
    } else {
      throw new ChorusError('USAGE', {
        reason: `unknown fault ${JSON.stringify(key)} in --fault; expected ${shares.join(', ')} or delay`,
      });
    }
  }
  if (shares.reduce((sum, share) => sum + faults[share], 0) > 1) {
    throw new ChorusError('USAGE', { reason: `the shares in --fault ${text} add up to more than 1` });
  }
  return faults;
}

/** The fate of one query. `random` is in 0 … 1, the upper bound excluded; the same value gives the same fate. */
export function fateOf(faults: Faults, random: number): Fate {
  let bound = 0;
  for (const share of shares) {
    bound += faults[share];
    if (random < bound) return share;
  }
  return 'answer';
}

function shareOf(key: string, text: string): number {
  const share = /^(\d+(\.\d+)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (!(share >= 0 && share <= 1)) {
    throw new ChorusError('USAGE', {
      reason: `--fault ${key}=${text}: expected a share from 0 to 1, such as 0.3`,
    });
  }
  return share;
}

function delayOf(text: string): number {
  const delay = parseDuration(text);
  if (delay !== undefined && delay <= 60_000) return delay;
  throw new ChorusError('USAGE', {
    reason: `--fault delay=${text}: expected up to 60s, such as 800ms or 2s`,
  });
}
