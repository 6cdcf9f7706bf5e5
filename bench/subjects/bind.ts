import type { Subject } from './subject.ts';

/** As a forwarder with one thread. */
export const bind: Subject = {
  name: 'bind',
  label: 'BIND',
  needs: 'named',
  command: ({ port, backends, folder }) => ({
    command: 'named',
    args: ['-f', '-n', '1', '-c', `${folder}/named.conf`],
    files: {
      'named.conf': `options {
  directory "${folder}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  allow-query { 127.0.0.0/8; };
  recursion yes;
  forward only;
  forwarders { ${backends.map(backend => `127.0.0.1 port ${backend};`).join(' ')} };
  dnssec-validation no;
  pid-file none;
  session-keyfile none;
};
controls { };
logging { category default { null; }; };
`,
    },
  }),
};
