import type { Subject } from './subject.ts';

/** As a forwarder with one thread. Its record cache cannot be turned off: without one, ask names that are new. */
export const recursor: Subject = {
  name: 'recursor',
  label: 'PowerDNS Recursor',
  needs: 'pdns_recursor',
  command: ({ port, backends, cache, entries, folder }) => ({
    command: 'pdns_recursor',
    args: [`--config-dir=${folder}`],
    files: {
      'recursor.conf': `local-address=127.0.0.1
local-port=${port}
allow-from=127.0.0.0/8
dont-query=
forward-zones-recurse=.=${backends.map(backend => `127.0.0.1:${backend}`).join(';')}
threads=1
pdns-distributes-queries=no
distributor-threads=0
dnssec=off
daemon=no
write-pid=no
socket-dir=${folder}
quiet=yes
loglevel=3
log-common-errors=no
disable-syslog=yes
statistics-interval=0
security-poll-suffix=
max-cache-entries=${Math.max(1_000_000, entries)}
max-packetcache-entries=${Math.max(500_000, entries)}
${cache ? '' : 'disable-packetcache=yes\n'}`,
    },
  }),
};
