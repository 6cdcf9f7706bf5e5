import type { Setting, Subject } from './subject.ts';

/** Where dnsdist differs from its defaults. */
type Change = 'none' | 'vector' | 'wrandom';

/** Quiet, one UDP worker thread, mild checks, and else as it comes; least-outstanding is its own default. */
function configuration(setting: Setting, change: Change): string {
  const checks = setting.usualChecks ? '' : ', checkInterval=10, maxCheckFailures=3';
  const servers = setting.backends.map(
    (port, index) =>
      `newServer({address="127.0.0.1:${port}", name="answer${index}", checkName="check.bench.test."${checks}})`,
  );
  return [
    'setSecurityPollSuffix("")',
    'setACL({"127.0.0.0/8"})',
    ...(change === 'vector' ? ['setUDPMultipleMessagesVectorSize(64)'] : []),
    ...(change === 'wrandom' ? ['setServerPolicy(wrandom)'] : []),
    `setLocal("127.0.0.1:${setting.port}")`,
    ...servers,
    ...(setting.cache
      ? [`getPool(""):setCache(newPacketCache(${setting.entries}, {maxTTL=86400, numberOfShards=20}))`]
      : []),
    '',
  ].join('\n');
}

function subject(name: string, label: string, change: Change): Subject {
  return {
    name,
    label,
    needs: 'dnsdist',
    command: setting => ({
      command: 'dnsdist',
      args: ['--supervised', '--disable-syslog', '-C', `${setting.folder}/dnsdist.conf`],
      files: { 'dnsdist.conf': configuration(setting, change) },
    }),
  };
}

export const dnsdist = subject('dnsdist', 'dnsdist, defaults', 'none');
export const dnsdistVector = subject('dnsdist-64', 'dnsdist, vector 64', 'vector');
export const dnsdistRandom = subject('dnsdist-wrandom', 'dnsdist, wrandom', 'wrandom');
