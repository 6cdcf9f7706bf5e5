/** The answering of a lab node: a small authoritative nameserver, message in, messages out. No socket, no clock. */

import { type Message, type Question, type ResourceRecord, reply } from '#wire/message.ts';
import { lowerName } from '#wire/name.ts';
import { classes, opcodes, rcodes, types } from '#wire/types.ts';
import { Zone } from './zone.ts';

/** How the query came. */
export type Transport = 'udp' | 'tcp';

/** Who answers, and from what. */
export type Authority = {
  readonly zone: Zone;
  /** The text for id.server, hostname.bind, NSID and whoami. */
  readonly identity: string;
};

/** Aliases that are followed for one question. */
const maxAliases = 8;

/** Records in one message of a zone transfer. */
const transferBatch = 100;

/** A zone for one node: with a record `whoami TXT`, TTL 0, that tells which node answered. */
export function zoneOfNode(records: readonly ResourceRecord[], identity: string): Zone {
  const { origin } = new Zone(records);
  return new Zone([
    ...records,
    {
      name: origin === '.' ? 'whoami.' : `whoami.${origin}`,
      type: types.TXT,
      class: classes.IN,
      ttl: 0,
      data: { kind: 'TXT', strings: [identity] },
    },
  ]);
}

/** The answer to a query: one message, or several for a zone transfer. The caller has dropped messages with QR. */
export function answer(asked: Message, authority: Authority, transport: Transport): Message[] {
  const [question] = asked.questions;
  const respond = (rcode: number, parts: Partial<Message> = {}) => [
    identified(asked, reply(asked, { rcode, ...parts }), authority.identity),
  ];
  if (asked.edns && asked.edns.version > 0) return respond(rcodes.BADVERS);
  if (asked.opcode !== opcodes.QUERY) return respond(rcodes.NOTIMP);
  if (question === undefined || asked.questions.length > 1) {
    return respond(rcodes.FORMERR, { questions: [] });
  }
  if (question.class === classes.CH) return respond(...chaos(question, authority.identity));
  if (question.class !== classes.IN || !authority.zone.covers(question.name)) return respond(rcodes.REFUSED);
  if (question.type === types.AXFR || question.type === types.IXFR) {
    const part = transfer(asked, question, authority.zone, transport);
    return typeof part === 'number'
      ? respond(part)
      : part.map(answers => reply(asked, { aa: true, answers }));
  }
  if (question.type === types.OPT || (question.type >= 128 && question.type < types.ANY)) {
    return respond(question.type === types.OPT ? rcodes.FORMERR : rcodes.NOTIMP);
  }
  return respond(...authoritative(question, authority.zone));
}

type Outcome = [rcode: number, parts: Partial<Message>];

/** Looks the question up in the zone and follows aliases inside it (RFC 1034 section 4.3.2). */
function authoritative(question: Question, zone: Zone): Outcome {
  const answers: ResourceRecord[] = [];
  let name = question.name;
  for (;;) {
    const found = zone.find(name, question.type);
    if (found.kind === 'records') {
      answers.push(...found.records);
      return [rcodes.NOERROR, { aa: true, answers, additionals: addressesFor(found.records, zone) }];
    }
    if (found.kind === 'referral') {
      const additionals = addressesFor(found.records, zone);
      return [rcodes.NOERROR, { aa: answers.length > 0, answers, authorities: found.records, additionals }];
    }
    if (found.kind === 'alias') {
      answers.push(found.record);
      name = found.target;
      const again = answers.some(record => lowerName(record.name) === lowerName(name));
      if (!again && answers.length < maxAliases && zone.covers(name)) continue;
      return [rcodes.NOERROR, { aa: true, answers }];
    }
    // An alias to a name that does not exist gives NXDOMAIN (RFC 2308 section 2.1).
    const rcode = found.kind === 'nxdomain' ? rcodes.NXDOMAIN : rcodes.NOERROR;
    return [rcode, { aa: true, answers, authorities: [negative(zone)] }];
  }
}

/** The SOA for a negative answer, with the TTL of RFC 2308 section 3. */
function negative(zone: Zone): ResourceRecord {
  const { data, ttl } = zone.soa;
  return { ...zone.soa, ttl: data.kind === 'SOA' ? Math.min(ttl, data.minimum) : ttl };
}

/** Addresses that the zone has for the hosts that these records name. */
function addressesFor(records: readonly ResourceRecord[], zone: Zone): ResourceRecord[] {
  const hosts = new Set<string>();
  for (const { data } of records) {
    if (data.kind === 'MX') hosts.add(data.exchange);
    if (data.kind === 'NS' || data.kind === 'SRV') hosts.add(data.target);
  }
  return [...hosts].flatMap(host => [...zone.at(host, types.A), ...zone.at(host, types.AAAA)]);
}

/** A whole zone (RFC 5936), also for IXFR (RFC 1995 section 4). A number is the rcode of a refusal. */
function transfer(
  asked: Message,
  question: Question,
  zone: Zone,
  transport: Transport,
): number | ResourceRecord[][] {
  if (lowerName(question.name) !== zone.origin) return rcodes.NOTAUTH;
  if (question.type === types.IXFR) {
    const [theirs] = asked.authorities;
    const current = zone.soa.data.kind === 'SOA' ? zone.soa.data.serial : 0;
    // Over UDP, or where nothing is newer, the SOA alone (RFC 1995 sections 2 and 4).
    if (transport === 'udp') return [[zone.soa]];
    if (theirs?.data.kind === 'SOA' && theirs.data.serial === current) return [[zone.soa]];
  } else if (transport === 'udp') {
    return rcodes.FORMERR;
  }
  const all = [...zone.records, zone.soa];
  const messages: ResourceRecord[][] = [];
  for (let at = 0; at < all.length; at += transferBatch) messages.push(all.slice(at, at + transferBatch));
  return messages;
}

/** id.server and its older names (RFC 4892). */
function chaos(question: Question, identity: string): Outcome {
  const text = { 'id.server.': identity, 'hostname.bind.': identity, 'version.bind.': 'chorus lab node' };
  const name = lowerName(question.name);
  const found = Object.entries(text).find(([known]) => known === name);
  if (!found) return [rcodes.REFUSED, {}];
  if (question.type !== types.TXT && question.type !== types.ANY) return [rcodes.NOERROR, { aa: true }];
  const record = { name: question.name, type: types.TXT, class: classes.CH, ttl: 0 };
  const data = { kind: 'TXT', strings: [found[1]] } as const;
  return [rcodes.NOERROR, { aa: true, answers: [{ ...record, data }] }];
}

/** Adds the NSID where the query asked for it (RFC 5001). */
function identified(asked: Message, answered: Message, identity: string): Message {
  if (!answered.edns || !asked.edns?.options.some(option => option.kind === 'NSID')) return answered;
  const bytes = new TextEncoder().encode(identity);
  return { ...answered, edns: { ...answered.edns, options: [{ kind: 'NSID', bytes }] } };
}
