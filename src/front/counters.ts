/** What a front counts. One row for each worker; only the worker writes it. */
import { defineCounters } from '#kit/counters.ts';

const queries = { family: 'client_queries_total', help: 'Packets and messages from clients, by transport.' };
const answers = { family: 'client_answers_total', help: 'Answers to clients, by response code.' };
const ignored = { family: 'client_ignored_total', help: 'Packets that got no answer, by reason.' };
const lookups = { family: 'cache_lookups_total', help: 'Questions looked up in the cache, by result.' };
const verdicts = {
  family: 'verdicts_total',
  help: 'Failures by whose fault they were: one backend’s (another answered), the name’s, the name’s for failing DNSSEC, everybody’s.',
};
const stale = {
  family: 'stale_answers_total',
  help: 'Answers past their TTL, by why they were given: all backends failed, the client-response timer went off, a failure is remembered, a zone is asked only a trickle, a question has too many that wait for it.',
};
const limited = {
  family: 'client_limited_total',
  help: 'Queries beyond the rate of a client or a network, by what became of them: no answer, an empty one with TC set, REFUSED over TCP.',
};
const turnedAway = {
  family: 'zone_turned_away_total',
  help: 'Questions not asked of backends because of their zone, by why: it fails and gets a trickle, or too many wait for it.',
};
const shed = {
  family: 'overload_shed_total',
  help: 'Waiting queries of the network that has most, given up for one of a lighter network, by the table that was full.',
};
const full = { family: 'overload_total', help: 'Queries turned away because a table was full, by table.' };

export const frontCounters = defineCounters({
  queriesUdp: { ...queries, labels: { transport: 'udp' } },
  queriesTcp: { ...queries, labels: { transport: 'tcp' } },
  noerror: { ...answers, labels: { rcode: 'NOERROR' } },
  formerr: { ...answers, labels: { rcode: 'FORMERR' } },
  servfail: { ...answers, labels: { rcode: 'SERVFAIL' } },
  nxdomain: { ...answers, labels: { rcode: 'NXDOMAIN' } },
  notimp: { ...answers, labels: { rcode: 'NOTIMP' } },
  refused: { ...answers, labels: { rcode: 'REFUSED' } },
  otherRcode: { ...answers, labels: { rcode: 'other' } },
  ignoredShort: { ...ignored, labels: { reason: 'short' } },
  ignoredResponse: { ...ignored, labels: { reason: 'response' } },
  denied: {
    family: 'client_denied_total',
    help: 'Queries refused because `allow` does not name the client.',
  },
  limitedDropped: { ...limited, labels: { action: 'dropped' } },
  limitedTruncated: { ...limited, labels: { action: 'truncated' } },
  limitedRefused: { ...limited, labels: { action: 'refused' } },
  truncated: {
    family: 'client_truncated_total',
    help: 'Answers cut to the size that the client takes, with TC set.',
  },
  cacheHits: { ...lookups, labels: { result: 'hit' } },
  cacheFailures: { ...lookups, labels: { result: 'failure' } },
  cacheMisses: { ...lookups, labels: { result: 'miss' } },
  prefetches: { family: 'cache_prefetches_total', help: 'Popular answers asked anew before they ended.' },
  joined: {
    family: 'joined_queries_total',
    help: 'Queries that waited for the answer to an identical one in flight.',
  },
  local: {
    family: 'local_answers_total',
    help: 'Questions answered by Chorus itself (id.server and its like).',
  },
  passed: {
    family: 'passed_queries_total',
    help: 'Messages passed to a backend as they were (UPDATE, NOTIFY, TSIG, unknown options).',
  },
  transfers: { family: 'transfers_total', help: 'Zone transfers passed through.' },
  timeouts: { family: 'query_timeouts_total', help: 'Queries that no backend answered in time.' },
  again: {
    family: 'query_retries_total',
    help: 'Queries asked of another backend because one failed.',
  },
  hedges: {
    family: 'hedges_total',
    help: 'Queries asked of a second backend because the first took longer than usual.',
  },
  hedgesSaved: {
    family: 'hedges_saved_total',
    help: 'Hedges left out: no budget, no other backend, or too much in flight.',
  },
  opinionsSaved: {
    family: 'opinions_saved_total',
    help: 'Third opinions on a failing name left out for want of budget.',
  },
  diagnoses: {
    family: 'diagnoses_total',
    help: 'Questions asked once more with CD=1 to learn whose fault a failure was.',
  },
  verdictNode: { ...verdicts, labels: { verdict: 'node' } },
  verdictName: { ...verdicts, labels: { verdict: 'name' } },
  verdictBogus: { ...verdicts, labels: { verdict: 'bogus' } },
  verdictEverybody: { ...verdicts, labels: { verdict: 'everybody' } },
  staleFailure: { ...stale, labels: { reason: 'failure' } },
  staleTimer: { ...stale, labels: { reason: 'timer' } },
  staleZone: { ...stale, labels: { reason: 'zone' } },
  staleCrowd: { ...stale, labels: { reason: 'crowd' } },
  staleCached: { ...stale, labels: { reason: 'remembered' } },
  overTcp: {
    family: 'query_tcp_retries_total',
    help: 'Queries asked again over TCP because the UDP answer was truncated.',
  },
  failOpen: {
    family: 'fail_open_total',
    help: 'Queries given to a backend that is down because none was fit.',
  },
  noBackend: { family: 'no_backend_total', help: 'Queries that no backend could be found for.' },
  fullInFlight: { ...full, labels: { table: 'in-flight' } },
  fullQuestion: { ...full, labels: { table: 'question' } },
  fullWaiters: { ...full, labels: { table: 'waiters' } },
  shedInFlight: { ...shed, labels: { table: 'in-flight' } },
  shedWaiters: { ...shed, labels: { table: 'waiters' } },
  zoneFailing: { ...turnedAway, labels: { reason: 'failing' } },
  zoneCrowded: { ...turnedAway, labels: { reason: 'outstanding' } },
  zoneClosings: {
    family: 'zone_closings_total',
    help: 'Zones found to fail, which then get a trickle of questions until they are well.',
  },
  inFlight: { family: 'in_flight_queries', kind: 'gauge', help: 'Queries waiting for a backend now.' },
});
