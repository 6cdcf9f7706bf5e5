/** The kernel data plane's part of the configuration. */
import type { z } from 'zod';
import { choice, duration, label, list, offOr, option, required, section, text, whole } from '#kit/option.ts';
import { address } from '#net/schema.ts';
import { forwardings, schedulers } from './ipvs.ts';

export const dataPlanes = ['nftables', 'ipvs'] as const;
export const protocols = ['udp', 'tcp'] as const;

const service = section('a mapping with the address of a service', {
  address: required(address(), {
    docs: 'The address that clients know.',
    example: '192.0.2.53',
  }),
  port: option(whole(1, 65_535), { docs: 'The port that clients know.', default: 53 }),
  pool: option(label('the name of a pool'), {
    docs: 'The pool whose backends of the address’s family serve it.',
    default: 'default',
  }),
  protocols: option(list('a list of udp, tcp', choice(protocols)), {
    docs: 'What is balanced.',
    default: ['udp', 'tcp'],
  }),
});

export const layer4Section = section('a mapping of options of the kernel data plane', {
  'data-plane': option(choice(dataPlanes), {
    docs: 'What balances. `nftables`: a table of slots, UDP without state and TCP by conntrack. `ipvs`: Linux Virtual Server; needs the kernel module ip_vs.',
    default: 'nftables',
  }),
  name: option(text('1 to 20 letters, digits or "_"', /^[A-Za-z0-9_]{1,20}$/), {
    docs: 'Names the table `inet chorus_NAME`, the only one that is touched. Each Chorus of a machine needs its own.',
    default: 'dns',
  }),
  services: required(list('a list of services', service), {
    docs: 'What is balanced.',
    example: [{ address: '192.0.2.53' }],
  }),
  scheduler: option(choice(schedulers), {
    docs: 'For `ipvs`: how a flow finds its backend. `mh` is a Maglev hash; UDP is scheduled packet by packet.',
    default: 'mh',
  }),
  forwarding: option(choice(forwardings), {
    docs: 'For `ipvs`: how packets reach a backend. `nat`: by its address, and answers come back through this machine. `direct`, `tunnel`: answers go straight to the client; the backends have the service address themselves.',
    default: 'nat',
  }),
  check: option(duration('1s', '1h'), {
    docs: 'What the kernel has is read back so often, and put right where somebody else has changed it.',
    default: '5s',
  }),
  'at-stop': option(choice(['remove', 'keep']), {
    docs: 'What becomes of the kernel’s tables when Chorus ends. `keep`: it balances on, with the backends of that moment, until Chorus is started again.',
    default: 'remove',
  }),
});

/** Times in ms. */
export type Layer4Options = z.output<typeof layer4Section>;

/** Top-level options of this folder. */
export const layer4Options = {
  layer4: option(offOr(layer4Section), {
    docs: 'The kernel balances instead of Chorus, for those who outgrow user space; Chorus judges the backends of `pools` and keeps the kernel’s tables: docs/layer4.md. `off`: it does not.',
    default: 'off',
    example: { services: [{ address: '192.0.2.53' }] },
  }),
};
