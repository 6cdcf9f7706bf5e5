/**
 * A small client of etcd's HTTP/JSON gateway (etcd 3.4 and later). One request at a time to one of several servers; after a
 * failure the next request goes to the next. Every reply is bounded in size and time, and one that does not fit is an error of
 * the table. No npm package fits: `etcd3`, the one that is kept, brings gRPC and was last published in 2023.
 */
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { createSecureContext } from 'node:tls';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import {
  type RangeReply,
  rangeRequest,
  readError,
  readGrant,
  readRange,
  readRenewal,
  readToken,
  readTxn,
  readWatch,
  type Txn,
  type TxnReply,
  txnRequest,
  type WatchMessage,
  watchRequest,
} from './etcd-messages.ts';

export type EtcdOptions = {
  /** Such as http://127.0.0.1:2379, without a path; one at least. */
  readonly urls: readonly string[];
  /** Null: etcd asks for none. */
  readonly auth: { readonly user: string; readonly password: string } | null;
  /** For https: PEM texts; null: the system's authorities, no certificate of our own. */
  readonly tls: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null };
  /** Longest time for one request, in ms. */
  readonly timeout: number;
};

/** Calls `then` once, `ms` from now; gives the function that calls it off. */
export type Wait = (ms: number, then: () => void) => () => void;

/** Most octets of a reply, and of a line of a watch. */
const mostOctets = 8 * 2 ** 20;

/** The lease is not known to etcd. */
export class LeaseGone extends Error {}

type Answer = { readonly status: number; readonly body: unknown };

export class EtcdClient {
  readonly #options: EtcdOptions;
  readonly #wait: Wait;
  readonly #agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
  readonly #underWay = new Set<ClientRequest>();
  /** Ends of the watches by server. */
  readonly #watches = new Map<(reason: string) => void, string>();
  #server = 0;
  #token: string | null = null;
  #closed = false;

  /** Throws what is wrong with the texts of `tls`. */
  constructor(options: EtcdOptions, wait: Wait) {
    this.#options = options;
    this.#wait = wait;
    const { ca, cert, key } = options.tls;
    const secureContext = createSecureContext({
      ...(ca !== null && { ca }),
      ...(cert !== null && { cert }),
      ...(key !== null && { key }),
    });
    // The watch has a connection of its own; the rest share a few.
    const settings = { keepAlive: true, maxSockets: 8, maxFreeSockets: 4 };
    this.#agents = {
      http: new HttpAgent(settings),
      https: new HttpsAgent({ ...settings, secureContext }),
    };
  }

  /** The server that the next request goes to. */
  get url(): string {
    return this.#options.urls[this.#server % this.#options.urls.length]!;
  }

  /** A new lease. @throws ChorusError ETCD_UNREACHABLE, ETCD_REFUSED, ETCD_REPLY, as all of these. */
  async grant(seconds: number): Promise<{ readonly lease: string; readonly ttl: number }> {
    return this.#ask('lease/grant', { TTL: String(seconds) }, readGrant);
  }

  /** Seconds that the lease has from now; 0: there is none. */
  async renew(lease: string): Promise<number> {
    return this.#ask('lease/keepalive', { ID: lease }, readRenewal);
  }

  async revoke(lease: string): Promise<void> {
    await this.#ask('lease/revoke', { ID: lease }, () => true);
  }

  /** All keys below a prefix (at most `mostRows`), as the majority of the servers know them. */
  async range(prefix: string): Promise<RangeReply> {
    return this.#ask('kv/range', rangeRequest(prefix), readRange);
  }

  /** @throws LeaseGone where the lease to put under is not known, and as `grant`. */
  async txn(txn: Txn): Promise<TxnReply> {
    return this.#ask('kv/txn', txnRequest(txn), readTxn);
  }

  /**
   * Tells of changes below a prefix from a revision on, until `over`, which comes at most once and not after the function that
   * this gives was called: it ends the watch.
   */
  watch(prefix: string, from: number, tell: (message: WatchMessage) => void): () => void {
    let request: ClientRequest | undefined;
    let ended = false;
    const { url } = this;
    const end = (reason: string, failed: boolean) => {
      if (ended) return;
      stop();
      if (failed && url === this.url) this.#server++;
      tell({ kind: 'over', reason });
    };
    const fall = (reason: string) => end(reason, false);
    const stop = () => {
      ended = true;
      this.#watches.delete(fall);
      request?.destroy();
    };
    this.#watches.set(fall, url);
    const begin = async () => {
      const token = await this.#authenticate(url);
      if (ended || this.#closed) return;
      request = this.#request(url, 'watch', watchRequest(prefix, from), token, response => {
        if (response.statusCode !== 200) {
          response.resume();
          if (response.statusCode === 401) this.#token = null;
          return end(`etcd answers with status ${response.statusCode}`, true);
        }
        calm();
        response.on(
          'data',
          lines(
            line => {
              const message = readWatch(line);
              if (message === undefined) end('a line of the watch is not understood', true);
              else if (message.kind === 'over') end(message.reason, false);
              else if (!ended && message.changes.length > 0) tell(message);
            },
            () => end('a line of the watch is too long', true),
          ),
        );
        response.on('end', () => end('etcd ended the watch', true));
        response.on('close', () => end('etcd ended the watch', true));
        response.on('error', error => end(error.message, true));
      });
      const calm = this.#wait(this.#options.timeout, () => end('no answer', true));
      request.on('error', error => end(error.message, true));
      request.on('close', calm);
    };
    begin().catch((error: unknown) => end(reasonOf(error), false));
    return stop;
  }

  /** Ends all that is under way: it fails. */
  close(): void {
    this.#closed = true;
    for (const request of this.#underWay) request.destroy();
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  async #ask<T>(path: string, body: object, read: (reply: unknown) => T | undefined): Promise<T> {
    const url = this.url;
    const said = path.replace('/', ' ');
    try {
      let answer = await this.#post(url, path, body, await this.#authenticate(url));
      const stale = answer.status === 401 && this.#token !== null;
      if (stale) {
        // Tokens end after some minutes, and with a restart of etcd.
        this.#token = null;
        answer = await this.#post(url, path, body, await this.#authenticate(url));
      }
      const { status, body: reply } = answer;
      if (status !== 200) {
        const reason = readError(reply) ?? `status ${status}`;
        if (reason.includes('requested lease not found')) throw new LeaseGone(reason);
        throw new ChorusError('ETCD_REFUSED', { url, what: said, reason });
      }
      const result = read(reply);
      if (result === undefined) {
        const reason = readError(reply) ?? 'it does not have the form of one';
        throw new ChorusError('ETCD_REPLY', { url, what: said, reason });
      }
      return result;
    } catch (error) {
      if (error instanceof LeaseGone) throw error;
      if (url === this.url) this.#server++;
      // A server that hangs keeps its watches open and tells nothing.
      for (const [fall, at] of [...this.#watches]) if (at === url) fall(reasonOf(error));
      throw error;
    }
  }

  async #authenticate(url: string): Promise<string | null> {
    const { auth } = this.#options;
    if (auth === null || this.#token !== null) return this.#token;
    const body = { name: auth.user, password: auth.password };
    const { status, body: reply } = await this.#post(url, 'auth/authenticate', body, null);
    const reason = readError(reply) ?? `status ${status}`;
    // A server without authentication takes everybody.
    if (status !== 200 && reason.includes('authentication is not enabled')) return null;
    const token = status === 200 ? readToken(reply) : undefined;
    if (token === undefined)
      throw new ChorusError('ETCD_REFUSED', { url, what: `the user ${auth.user}`, reason });
    this.#token = token;
    return token;
  }

  #post(url: string, path: string, body: object, token: string | null): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => {
        calm();
        request?.destroy();
        reject(new ChorusError('ETCD_UNREACHABLE', { url, reason }));
      };
      if (this.#closed) return reject(new ChorusError('ETCD_UNREACHABLE', { url, reason: 'closed' }));
      const calm = this.#wait(this.#options.timeout, () =>
        fail(`no answer within ${this.#options.timeout} ms`),
      );
      let request: ClientRequest | undefined;
      request = this.#request(url, path, body, token, response => {
        const parts: Buffer[] = [];
        let octets = 0;
        response.on('data', (part: Buffer) => {
          octets += part.length;
          if (octets > mostOctets) fail('the reply is too long');
          else parts.push(part);
        });
        response.on('end', () => {
          calm();
          resolve({ status: response.statusCode ?? 0, body: parse(Buffer.concat(parts).toString()) });
        });
        response.on('error', error => fail(error.message));
        response.on('close', () => fail('the connection ended'));
      });
      request.on('error', error => fail(error.message));
    });
  }

  #request(
    url: string,
    path: string,
    body: object,
    token: string | null,
    then: (response: IncomingMessage) => void,
  ): ClientRequest {
    const target = new URL(`/v3/${path}`, url);
    const text = JSON.stringify(body);
    const options = {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        ...(token !== null && { authorization: token }),
      },
    };
    const request =
      target.protocol === 'https:'
        ? httpsRequest(target, { ...options, agent: this.#agents.https }, then)
        : httpRequest(target, { ...options, agent: this.#agents.http }, then);
    this.#underWay.add(request);
    request.on('close', () => this.#underWay.delete(request));
    request.setNoDelay(true);
    request.setSocketKeepAlive(true, 5000);
    request.end(text);
    return request;
  }
}

/** Takes octets apart into lines of JSON; what is no JSON is undefined. */
function lines(take: (line: unknown) => void, tooLong: () => void): (part: Buffer) => void {
  let kept: Buffer[] = [];
  let octets = 0;
  return part => {
    let rest = part;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...kept, rest.subarray(0, end)]).toString();
      rest = rest.subarray(end + 1);
      kept = [];
      octets = 0;
      if (line.trim() !== '') take(parse(line));
    }
    if (rest.length === 0) return;
    kept.push(rest);
    octets += rest.length;
    if (octets <= mostOctets) return;
    kept = [];
    octets = 0;
    tooLong();
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
