/** Options that the drivers of routing daemons share. */
import { choice, duration, option, optional, text } from '#kit/option.ts';

/** A file or folder, from the root. */
export const path = () => text('a path that begins with "/"', /^\/[\w./@:+-]{0,254}$/);

/** The name of an interface, as the kernel takes it. */
export const interfaceName = () =>
  text('the name of an interface, such as chorus0', /^[A-Za-z0-9_.-]{1,15}$/);

/** Options that the drivers of routing daemons share. */
export const daemonOptions = {
  lease: optional(interfaceName(), {
    docs: 'Announce an address only while this interface has it. Together with a `lease` driver for that interface the announcement has a dead man’s switch: when Chorus dies or hangs, the kernel takes the address away and the daemon withdraws.',
    optional: 'the daemon goes on announcing when Chorus dies, and the driver warns of it',
    example: 'chorus0',
  }),
  'stale-routes': option(choice(['warn', 'refuse']), {
    docs: 'What to do where graceful restart is agreed on with a neighbour: it would keep routes for minutes after the daemon has died. `refuse`: announce nothing.',
    default: 'warn',
  }),
  timeout: option(duration('100ms', '60s'), {
    docs: 'An answer that takes longer is given up.',
    default: '5s',
  }),
};
