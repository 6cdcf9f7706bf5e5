/** What a front counts. One row for each worker; only the worker writes it. */
import { defineCounters } from '#kit/counters.ts';

const queries = { family: 'client_queries_total', help: 'Packets and messages from clients, by transport.' };
const answers = { family: 'client_answers_total', help: 'Answers to clients, by response code.' };
const ignored = { family: 'client_ignored_total', help: 'Packets that got no answer, by reason.' };
const lookups = { family: 'cache_lookups_total', help: 'Questions looked up in the cache, by result.' };
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
  again: { family: 'query_retries_total', help: 'Queries asked of another backend after a network error.' },
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
  fullWaiters: { ...full, labels: { table: 'waiters' } },
  inFlight: { family: 'in_flight_queries', kind: 'gauge', help: 'Queries waiting for a backend now.' },
});
