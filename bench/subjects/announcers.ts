/** What announces a service address on a node while its nameserver is well: Chorus, and what operators use today. */
import {
  frontAddress,
  frontAs,
  routerAddress,
  routerAs,
  service,
  startBird,
} from '#test/support/farm-net.ts';
import type { Program } from '#test/support/program.ts';
import { findProgram } from '#test/support/requires.ts';
import { RoutedFront } from '#test/support/routed-front.ts';
import { type Way, ways } from '#test/support/ways.ts';
import { childrenOf } from '../lib/process.ts';
import { checkName, type Site } from '../lib/sites.ts';

/** What runs on one node to announce. */
export type Announcing = {
  /** Sends a signal to what judges the nameserver, and only to that. */
  hurt(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
};

export type Announcer = {
  readonly name: string;
  readonly label: string;
  /** Programs it needs. */
  readonly needs: readonly string[];
  start(site: Site): Promise<Announcing>;
};

/** Sends a signal to a process that may be gone. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone.
  }
}

/** The check of all who run a program: one query a second with 1 s of patience, three in a row count, both ways. */
const check = (site: Site) =>
  `/usr/bin/dig +time=1 +tries=1 +norec @${site.address} ${checkName} A | grep -q "status: NOERROR"`;

/** The interface that holds the address that BIRD exports; another copy is on lo, for packets under way. */
const leased = 'service';

function birdSpeaker(site: Site): string {
  const sessions = [1, 2].map(
    r =>
      `protocol bgp router${r} { local ${frontAddress(site.number, r)} as ${frontAs}; neighbor ${routerAddress(r)} as ${routerAs}; ` +
      `hold time 9; connect delay time 1; connect retry time 1; error wait time 1,5; graceful restart off; ` +
      `ipv4 { import none; export where source = RTS_DEVICE; }; }\n`,
  );
  return `log stderr all;
router id 10.254.0.${site.number};
protocol device { }
protocol direct { ipv4; interface "${leased}"; }
${sessions.join('')}`;
}

/** BIRD beside something that adds and removes the address on the interface that BIRD looks at. */
async function besideBird(site: Site, start: () => Program): Promise<Announcing> {
  await site.host.ip(`link add ${leased} type bridge`, `link set ${leased} up`);
  const bird = await startBird(site.host, birdSpeaker(site));
  const judge = start();
  return {
    hurt(signal) {
      // With its children: keepalived has a process beside the one that we started.
      for (const pid of [judge.pid, ...childrenOf(judge.pid)]) send(pid, signal);
    },
    async stop() {
      judge.signal('SIGCONT');
      await Promise.all([judge.stop(), bird.stop()]);
      await site.host.run('ip', ['link', 'delete', leased]);
    },
  };
}

const loop: Announcer = {
  name: 'loop',
  label: 'dig in a shell loop + BIRD',
  needs: ['bird', 'dig'],
  start: site =>
    besideBird(site, () => {
      // dig answers for SERVFAIL with exit code 0: the status is looked at, as in the wrapper of everybody.
      const script = `good=0 bad=0
while :; do
  if ${check(site)}; then good=$((good + 1)) bad=0; else bad=$((bad + 1)) good=0; fi
  [ $good != 3 ] || ip address add ${service.ipv4}/32 dev ${leased}
  [ $bad != 3 ] || ip address del ${service.ipv4}/32 dev ${leased}
  sleep 1
done`;
      return site.host.start('sh', ['-c', script]);
    }),
};

const keepalived: Announcer = {
  name: 'keepalived',
  label: 'keepalived, tracked script + BIRD',
  needs: ['keepalived', 'bird', 'dig'],
  async start(site) {
    const script = site.host.write('/run/check.sh', `#!/bin/sh\n${check(site)}\n`);
    await site.host.must('chmod', ['755', script]);
    const file = site.host.write(
      '/run/keepalived.conf',
      `global_defs { script_user root
  enable_script_security }
vrrp_script dns { script "${script}"
  interval 1
  timeout 2
  fall 3
  rise 3
  init_fail }
vrrp_instance service { state MASTER
  interface nodes
  virtual_router_id ${50 + site.number}
  priority 100
  advert_int 1
  virtual_ipaddress { ${service.ipv4}/32 dev ${leased} }
  track_script { dns } }
`,
    );
    return await besideBird(site, () =>
      site.host.start('keepalived', [
        '--dont-fork',
        '--log-console',
        '--vrrp',
        '--use-file',
        file,
        '--pid',
        '/run/ka.pid',
        '--vrrp_pid',
        '/run/kav.pid',
      ]),
    );
  },
};

const exabgp: Announcer = {
  name: 'exabgp',
  label: 'ExaBGP with its healthcheck',
  needs: ['exabgp', 'dig'],
  async start(site) {
    const script = site.host.write('/run/check.sh', `#!/bin/sh\n${check(site)}\n`);
    await site.host.must('chmod', ['755', script]);
    const healthcheck = site.host.write(
      '/run/healthcheck.sh',
      `#!/bin/sh
exec /usr/bin/python3 -m exabgp healthcheck --no-syslog --no-ip-setup --ip ${service.ipv4}/32 --cmd ${script} \\
  --interval 1 --fast-interval 1 --timeout 2 --rise 3 --fall 3 --withdraw-on-down --pid /run/healthcheck.pid
`,
    );
    await site.host.must('chmod', ['755', healthcheck]);
    const neighbours = [1, 2].map(
      r => `neighbor ${routerAddress(r)} {
  router-id 10.254.0.${site.number};
  local-address ${frontAddress(site.number, r)};
  local-as ${frontAs};
  peer-as ${routerAs};
  hold-time 9;
  family { ipv4 unicast; }
  api { processes [ watch ]; }
}`,
    );
    const file = site.host.write(
      '/run/exabgp.conf',
      `process watch { run ${healthcheck}; encoder text; }\n${neighbours.join('\n')}\n`,
    );
    const env = {
      'exabgp.daemon.user': 'root',
      'exabgp.log.destination': 'stderr',
      'exabgp.api.cli': 'false',
      'exabgp.cache.nexthops': 'false',
    };
    const program = site.host.start('exabgp', [file], { env });
    const helper = await program.until('the pid of its helper', () => {
      try {
        return Number(site.host.read('/run/healthcheck.pid')) || undefined;
      } catch {
        return undefined;
      }
    });
    return {
      hurt: signal => send(helper, signal),
      async stop() {
        send(helper, 'SIGCONT');
        await program.stop();
      },
    };
  },
};

/** Chorus on a node without a balancer, with the probes of docs/node.md; it judges BIND and does not start it. */
function chorusNode(way: Way, name: string, label: string): Announcer {
  return {
    name,
    label,
    needs: ['dig', ...way.needs],
    async start(site) {
      const daemons = await way.daemons(site.host, site.number);
      const probe = { type: 'A', timeout: '250ms' };
      const front = await RoutedFront.launch(site.host, {
        listen: [],
        api: '127.0.0.1:8053',
        pools: {
          default: {
            backends: [{ name: 'named', address: site.address }],
            probes: [
              { ...probe, name: checkName, local: 'on', interval: '300ms', window: { failures: 2, of: 3 } },
              {
                ...probe,
                name: checkName,
                'random-label': 'on',
                interval: '400ms',
                window: { failures: 2, of: 4 },
              },
            ],
          },
        },
        'route-drivers': way.drivers(site.number, ['ipv4']),
        'service-addresses': [
          { address: service.ipv4, rise: '1s', hold: { first: '0s' }, ...(way.via && { via: way.via.ipv4 }) },
        ],
      }).ready();
      return {
        hurt: signal => front.program.signal(signal),
        async stop() {
          front.program.signal('SIGCONT');
          await front.program.kill();
          await Promise.all(daemons.map(daemon => daemon.stop()));
        },
      };
    },
  };
}

export const announcers: readonly Announcer[] = [
  chorusNode(ways.leaseBird, 'node-lease', 'Chorus, lease + BIRD'),
  chorusNode(ways.speaker, 'node-speaker', 'Chorus, built-in speaker'),
  exabgp,
  keepalived,
  loop,
];

/** Why an announcer cannot be run here, or null. */
export function lacks({ needs }: { readonly needs: readonly string[] }): string | null {
  const missing = needs.filter(need => findProgram(need) === undefined);
  if (missing.length > 0) return `${missing.join(', ')} not installed`;
  return process.getuid?.() === 0 ? null : 'needs root, for network namespaces';
}
