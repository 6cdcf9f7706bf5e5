/**
 * `chorus check`: one check of one server, judged, with the line and the exit code that monitoring systems and keepalived
 * understand (Monitoring Plugins guidelines; keepalived.conf(5), MISC_CHECK). Pure but for what it is given.
 */
import { formatEndpoint } from '#net/address.ts';
import { classes, className, rcodeName, typeName } from '#wire/types.ts';
import type { AnswerText } from './answer-text.ts';
import { type Asked, type AskWorld, ask, inWords, makeQuery, randomName } from './ask.ts';
import type { CheckPlan } from './check-plan.ts';
import { tame } from './tame.ts';

/** The states of a monitoring plug-in; their exit codes are their places. */
export const checkStates = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'] as const;
export type CheckState = (typeof checkStates)[number];

/** What `--json` prints. Names are part of the interface: add, do not rename. */
export type CheckReport = {
  readonly state: CheckState;
  readonly exit: number;
  /** Why, in words. */
  readonly detail: string;
  readonly server: string;
  readonly source: string | null;
  readonly transport: 'udp' | 'tcp';
  readonly name: string;
  readonly type: string;
  readonly class: string;
  /** Null where no answer came. */
  readonly rcode: string | null;
  /** From the first try to the answer; null where none came. */
  readonly latencyMs: number | null;
  readonly tries: number;
  readonly warningMs: number | null;
  readonly criticalMs: number | null;
  /** What the answer holds; null where none came or nobody asked to read it. */
  readonly answer: AnswerText | null;
};

/** What reads an answer when it has to be read; loaded then, since a check that goes well needs none of it. */
export type Reader = typeof import('./answer-text.ts');

/** Makes one check. `whole`: read every answer, for JSON. */
export async function runCheck(
  plan: CheckPlan,
  world: AskWorld,
  reader: () => Promise<Reader>,
  whole = false,
): Promise<CheckReport> {
  const name = plan.random ? randomName(plan.name, world.random) : plan.name;
  const over = (transport: 'udp' | 'tcp') =>
    new Promise<Asked>(resolve => {
      const { server, source, type, class: klass, rd, edns, time, tries, good } = plan;
      const to = { ...server, ...(source !== null && { source }) };
      const query = makeQuery({ name, type, class: klass, rd, edns });
      ask({ to, transport, query, good, time, tries }, world, resolve);
    });
  const wantsData = readsData(plan);
  let asked = await over(plan.transport);
  let transport = plan.transport;
  // A truncated answer may lack what is looked for; a client would ask again over TCP (RFC 1035 section 4.2.1).
  if (wantsData && transport === 'udp' && asked.kind === 'answer' && asked.bytes![2]! & 0x02) {
    transport = 'tcp';
    asked = await over(transport);
  }
  const mustRead = asked.bytes !== null && asked.kind === 'answer' && (whole || wantsData || !asked.good);
  const verdict = mustRead ? judgeRead(plan, asked, await reader()) : { ...judge(plan, asked), answer: null };
  const state = verdict.state;
  return {
    state,
    exit: exitOf(plan, state, asked.latency),
    detail: verdict.detail,
    server: formatEndpoint(plan.server),
    source: plan.source,
    transport,
    name,
    type: typeName(plan.type),
    class: className(plan.class),
    rcode: asked.rcode === null ? null : rcodeName(asked.rcode),
    latencyMs: asked.latency === null ? null : Math.round(asked.latency * 1000) / 1000,
    tries: asked.tries,
    warningMs: plan.warning,
    criticalMs: plan.critical,
    answer: verdict.answer,
  };
}

/** Whether the data of a good answer count. */
function readsData({ data, failOn }: CheckPlan): boolean {
  return data.length > 0 || failOn?.where === 'answer';
}

/** Whether a check may ask over TCP. */
export function mayStream(plan: CheckPlan): boolean {
  return plan.transport === 'tcp' || readsData(plan);
}

type Verdict = { readonly state: CheckState; readonly detail: string };

/** Judges without reading more than the header. */
function judge(plan: CheckPlan, asked: Asked): Verdict {
  const { failOn, warning, critical } = plan;
  if (asked.kind !== 'answer') return { state: asked.ours ? 'UNKNOWN' : 'CRITICAL', detail: asked.detail };
  const latency = asked.latency ?? 0;
  const at = asked.tries > 1 ? ` at try ${asked.tries}` : '';
  const detail = `${asked.detail} in ${inWords(latency)}${at}`;
  if (!asked.good) return { state: 'CRITICAL', detail };
  if (failOn?.where === 'status' && failOn.pattern.test(asked.detail)) {
    return { state: 'CRITICAL', detail: `${detail}, which counts as a failure` };
  }
  if (critical !== null && latency > critical) {
    return { state: 'CRITICAL', detail: `${detail}, more than ${inWords(critical)}` };
  }
  if (warning !== null && latency > warning) {
    return { state: 'WARNING', detail: `${detail}, more than ${inWords(warning)}` };
  }
  return { state: 'OK', detail };
}

function judgeRead(
  plan: CheckPlan,
  asked: Asked,
  { missingOf, readAnswer }: Reader,
): Verdict & { readonly answer: AnswerText | null } {
  const verdict = judge(plan, asked);
  let answer: AnswerText;
  try {
    answer = readAnswer(asked.bytes!, plan.type);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { state: 'CRITICAL', detail: `malformed answer: ${reason}`, answer: null };
  }
  const critical = (detail: string) => ({ state: 'CRITICAL' as const, detail, answer });
  if (!asked.good) {
    const why = answer.extended.length === 0 ? '' : `: ${tame(answer.extended.join('; '))}`;
    return critical(`${verdict.detail}${why}`);
  }
  const { failOn } = plan;
  if (failOn?.where === 'answer') {
    const found = [asked.detail, ...answer.records, ...answer.extended].find(line =>
      failOn.pattern.test(line),
    );
    if (found !== undefined) return critical(`found what counts as a failure: ${tame(found)}`);
  }
  const missing = missingOf(asked.bytes!, plan.data);
  if (missing !== undefined) {
    const got = answer.data.length === 0 ? 'none' : tame(answer.data.join(', '));
    return critical(`${asked.detail}, but not the expected ${tame(missing)}; got ${got}`);
  }
  return { ...verdict, answer };
}

/** The exit code for a state. `latency` in ms counts for `dynamic` only. */
export function exitOf(plan: CheckPlan, state: CheckState, latency: number | null): number {
  if (plan.codes === 'plugin') return checkStates.indexOf(state);
  if (state === 'CRITICAL' || state === 'UNKNOWN') return 1;
  return plan.codes === 'misc' ? 0 : 2 + weightOf(plan, latency ?? 0);
}

/**
 * The weight that a latency earns: the whole weight up to the warning threshold, then in a straight line down to 1 at the
 * critical one. Without thresholds: a tenth of the time for an answer, and all of it.
 */
export function weightOf(plan: CheckPlan, latency: number): number {
  const critical = plan.critical ?? plan.time;
  const warning = Math.min(plan.warning ?? plan.time / 10, critical);
  if (latency <= warning) return plan.weight;
  if (latency >= critical) return 1;
  return Math.max(1, Math.round((plan.weight * (critical - latency)) / (critical - warning)));
}

/** The plug-in's line: state, words, and after `|` performance data in seconds. */
export function checkLine(report: CheckReport, plan: CheckPlan): string {
  const { state, detail, server, name, type, class: klass, transport, latencyMs, tries } = report;
  const asked = `${tame(name, 255)} ${klass === className(classes.IN) ? '' : `${klass} `}${type}`;
  const words = `DNS ${state}: ${detail} (${asked} at ${server}${transport === 'tcp' ? ' over TCP' : ''})`;
  const seconds = (ms: number | null) => (ms === null ? '' : String(ms / 1000));
  // "U": could not be determined.
  const time = latencyMs === null ? 'U' : `${(latencyMs / 1000).toFixed(6)}s`;
  const most = seconds(plan.time * plan.tries);
  const time4 = `time=${time};${seconds(plan.warning)};${seconds(plan.critical)};0;${most}`;
  return `${words} | ${time4} tries=${tries};;;1;${plan.tries}`;
}
