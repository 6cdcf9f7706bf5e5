/**
 * Keeps web pages from commanding Chorus through an operator's browser. A page of another origin cannot send
 * `application/json` without asking first (Fetch standard, CORS-preflight), which the API never grants; a page whose name
 * was made to point here (DNS rebinding) sends its own name as Host.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback, parseAddress } from '#net/address.ts';

/** Why a request that changes something is not obeyed; null when it is. `local` is the address that was asked. */
export function refusal(headers: IncomingHttpHeaders, local: string): string | null {
  const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json') return 'the Content-Type is not application/json';
  const host = hostOf(headers.host ?? '');
  if (host === null) return 'the Host header is not understood';
  const asked = parseAddress(local.replace(/^::ffff:(?=\d+\.)/, ''));
  const address = parseAddress(host);
  const own = host === 'localhost' || (address !== undefined && (isLoopback(address) || address === asked));
  if (!own) return `the Host header is ${host}, not the address that was asked`;
  const origin = headers.origin;
  if (origin !== undefined && hostOf(origin.replace(/^https?:\/\//, '')) !== host) {
    return 'it comes from a page of another origin';
  }
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return 'it comes from a page of another site';
  return null;
}

/** The host of `host`, `host:port`, `[v6]` or `[v6]:port`, in lower case; null for anything else. */
function hostOf(text: string): string | null {
  const found = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(text);
  return (found?.[1] ?? found?.[2])?.toLowerCase() ?? null;
}
