/** What the driver for BIRD takes from the configuration. */
import { option, optional, required, section, text, whole } from '#kit/option.ts';
import { daemonOptions, path } from '../daemon-options.ts';

/** A name as BIRD's grammar has it. */
const symbol = (what: string) => text(`${what}: letters, digits and "_"`, /^[A-Za-z_][A-Za-z0-9_]{0,31}$/);

export const birdOptions = required(
  section('a mapping of options for BIRD', {
    socket: option(path(), {
      docs: 'BIRD’s control socket.',
      default: '/run/bird/bird.ctl',
    }),
    file: option(path(), {
      docs: 'The file that Chorus writes and BIRD includes: `include "/run/chorus/bird.conf*";`, after its tables. Below `/run` nothing of it is left after a start of the machine, so that BIRD announces nothing before Chorus says so; its folder must be there when BIRD starts, for example through `tmpfiles.d`.',
      default: '/run/chorus/bird.conf',
    }),
    name: option(symbol('a name'), {
      docs: 'Names of our protocols begin with it: `chorus4`, `chorus6`, and `chorus_direct` with `lease`. Two drivers of one BIRD need two names and two files.',
      default: 'chorus',
    }),
    table: option(symbol('a name'), {
      docs: 'BIRD’s tables that our routes come to: with `master`, its own default, `master4` and `master6`.',
      default: 'master',
    }),
    'local-as': optional(whole(1, 4_294_967_295), {
      docs: 'Our AS, for `prepend`.',
      optional: 'the local AS of BIRD’s BGP sessions, where all have the same',
      example: 65_001,
    }),
    ...daemonOptions,
  }),
  {
    docs: 'BIRD 2 or 3, through its control socket and a file of its configuration that Chorus owns. See [route-drivers.md](../route-drivers.md).',
    example: { lease: 'chorus0' },
  },
);
