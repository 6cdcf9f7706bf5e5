import type { Subject } from './subject.ts';

/** As a forwarder with one thread. Its cache cannot be turned off: without one, ask names that are new. */
export const unbound: Subject = {
  name: 'unbound',
  label: 'Unbound',
  needs: 'unbound',
  command: ({ port, backends, entries, folder }) => ({
    command: 'unbound',
    args: ['-d', '-p', '-c', `${folder}/unbound.conf`],
    files: {
      'unbound.conf': `server:
  interface: 127.0.0.1@${port}
  access-control: 127.0.0.0/8 allow
  num-threads: 1
  directory: "${folder}"
  chroot: ""
  username: ""
  use-syslog: no
  verbosity: 0
  module-config: "iterator"
  do-not-query-localhost: no
  local-zone: "test." nodefault
  do-ip6: no
  outgoing-range: 4096
  num-queries-per-thread: 2048
  msg-cache-size: ${Math.max(64, entries >> 11)}m
  rrset-cache-size: ${Math.max(128, entries >> 10)}m
remote-control:
  control-enable: no
forward-zone:
  name: "."
${backends.map(backend => `  forward-addr: 127.0.0.1@${backend}\n`).join('')}`,
    },
  }),
};
