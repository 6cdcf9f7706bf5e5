/** What the driver for FRR takes from the configuration. */
import { label, option, optional, required, section, text, whole } from '#kit/option.ts';
import { daemonOptions, path } from '../daemon-options.ts';

export const frrOptions = required(
  section('a mapping of options for FRR', {
    'local-as': required(whole(1, 4_294_967_295), {
      docs: 'Our AS: that of `router bgp` in FRR’s configuration.',
      example: 65_001,
    }),
    vrf: optional(label('the name of a VRF'), {
      docs: 'The VRF of the BGP instance.',
      optional: 'the default one',
      example: 'dns',
    }),
    vtysh: option(text('a program, by name or path', /^[\w./+-]{1,255}$/), {
      docs: 'The program vtysh.',
      default: 'vtysh',
    }),
    'socket-dir': option(path(), {
      docs: 'Where the daemons of FRR have their sockets (`bgpd.vty`). A second FRR on a machine has another one.',
      default: '/var/run/frr',
    }),
    ...daemonOptions,
  }),
  {
    docs: 'FRR, through vtysh: `network` statements with route maps of our own under `router bgp`, in the running configuration alone. See [route-drivers.md](../route-drivers.md).',
    example: { 'local-as': 65_001, lease: 'chorus0' },
  },
);
