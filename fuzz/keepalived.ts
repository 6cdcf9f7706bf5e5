// biome-ignore-all lint/suspicious/noTemplateCurlyInString: keepalived writes its definitions so.
/** The importer of keepalived.conf: any text gives an error of its table, or a configuration that Chorus loads. */

import assert from 'node:assert/strict';
import { importKeepalived } from '#config/import/keepalived.ts';
import { loadConfig } from '#config/load.ts';
import { ChorusError } from '#kit/errors.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

const utf8 = new TextDecoder();
const octets = (text: string) => new TextEncoder().encode(text);
const machine = { cores: 2, hostname: 'front' };

/** The text includes itself, and a folder where it is twice. */
function judge(input: Uint8Array): boolean {
  const text = utf8.decode(input);
  let configuration: string;
  try {
    configuration = importKeepalived(text, {
      file: 'keepalived.conf',
      files: {
        read: path => (path.endsWith('.conf') ? text : undefined),
        list: () => ['a.conf', 'b.conf', 'c'],
      },
      id: 'front',
      environment: { HOME: '/root' },
      only: [],
      listen: [],
      keepTimers: input.length % 2 === 1,
    }).configuration;
  } catch (error) {
    if (!(error instanceof ChorusError) || !error.code.startsWith('IMPORT_')) throw error;
    return false;
  }
  assert.ok(loadConfig(configuration, 'imported', machine).pools.length > 0);
  return true;
}

const small = `virtual_server 192.0.2.1 53 {
  delay_loop 6
  lb_algo wlc
  lb_kind DR
  protocol UDP
  real_server 192.0.2.2 53 {
    weight 3
    DNS_CHECK {
      name example.net
    }
  }
}
`;

const templated = `$RS= \\
  real_server 192.0.2.\${N} { \\
    TCP_CHECK { \\
    } \\
  }
@front $X=7
virtual_server group g {
  ~LST({N, M}, {1, 2}, {3, 4}) $RS
  ~SEQx(N, 0x10, 0x12) $RS
}
virtual_server_group g {
  2001:db8::1-9 53
  198.51.100.0/29 53
  fwmark 3
}
`;

export const keepalived: Target = {
  name: 'keepalived',
  seeds: () => [small, templated].map(octets),
  words: [
    '\n',
    ' ',
    '"',
    "'",
    '\\',
    ' \\\n',
    '{',
    '}',
    ' {\n',
    '}\n',
    '#',
    '!',
    '$N',
    '${N}',
    '$N=',
    '$N=$N$N\n',
    '~SEQ(N,1,9) ',
    '~SEQ(N,1,$N) ',
    '~LST(N,a,b) ',
    'include x.conf\n',
    'include *.conf\n',
    'include {a,b}[a-z]?.conf\n',
    '@front ',
    '@^front ',
    'virtual_server ',
    'virtual_server fwmark 1 {\n',
    'virtual_server group g {\n',
    'real_server ::1 53 {\n}\n',
    'real_server 0.0.0.0\n',
    'real_server ::ffff:192.0.2.3 53\n',
    'sorry_server 192.0.2.1 53\n',
    'weight 0\n',
    'weight 70000\n',
    'uthreshold 5\n',
    'lb_algo ovf\n',
    'lb_algo fo\n',
    'lb_algo sh\n',
    'persistence_timeout\n',
    'protocol SCTP\n',
    'protocol TCP\n',
    'delay_loop 0.0000001\n',
    'delay_loop 4294\n',
    'connect_timeout .5\n',
    'retry 2147483647\n',
    'MISC_CHECK {\nmisc_path "/usr/bin/dig -b 192.0.2.9 a x.test @192.0.2.2 +time=1 +tries=5 +fail > /dev/null"\n}\n',
    'MISC_CHECK {\nmisc_path "/c 192.0.2.9 IN A x.test 192.0.2.2 1 5 SERVFAIL|REFUSED tcp"\nmisc_timeout 0\n}\n',
    'MISC_CHECK {\nmisc_path "c | d \'$e"\nmisc_dynamic\nuser u\n}\n',
    'PING_CHECK\n',
    'bindto 192.0.2.8\n',
    'connect_port 54\n',
    'snmp_name kai\n',
    'type ANY\n',
    'name \\000.x\n',
    'é',
    '\u0000',
    '\u202e',
  ].map(octets),
  judge,
};

/** Runs this target. */
export function fuzz(options: FuzzOptions): FuzzResult {
  return fuzzTarget(keepalived, options);
}
