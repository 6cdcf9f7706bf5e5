/** All fuzz targets. A new one adds its line: `fuzz` is given options and gives a result. */

import * as bgp from './bgp.ts';
import * as bgpSession from './bgp-session.ts';
import * as codec from './codec.ts';
import * as drain from './drain.ts';
import * as etcd from './etcd.ts';
import { front, frontLoop } from './front.ts';
import type { FuzzOptions, FuzzResult } from './harness.ts';
import * as keepalived from './keepalived.ts';
import * as layer4 from './layer4.ts';
import * as netlink from './netlink.ts';
import * as routing from './routing.ts';
import * as scan from './scan.ts';
import * as server from './server.ts';
import * as stream from './stream.ts';
import * as tcp from './tcp.ts';
import * as zone from './zone.ts';

export const targets: Readonly<
  Record<string, { fuzz(options: FuzzOptions): FuzzResult | Promise<FuzzResult> }>
> = {
  bgp,
  'bgp-session': bgpSession,
  codec,
  drain,
  etcd,
  front,
  'front-loop': frontLoop,
  keepalived,
  routing,
  layer4,
  netlink,
  scan,
  server,
  stream,
  tcp,
  zone,
};
