import type { Setting, Subject } from './subject.ts';

/** Quiet, one UDP worker thread, mild checks, and else as it comes; least-outstanding is its own default. */
function configuration(setting: Setting, vector: boolean): string {
  const servers = setting.backends.map(
    (port, index) =>
      `newServer({address="127.0.0.1:${port}", name="answer${index}", checkName="check.bench.test.", checkInterval=10, maxCheckFailures=3})`,
  );
  return [
    'setSecurityPollSuffix("")',
    'setACL({"127.0.0.0/8"})',
    ...(vector ? ['setUDPMultipleMessagesVectorSize(64)'] : []),
    `setLocal("127.0.0.1:${setting.port}")`,
    ...servers,
    ...(setting.cache
      ? [`getPool(""):setCache(newPacketCache(${setting.entries}, {maxTTL=86400, numberOfShards=20}))`]
      : []),
    '',
  ].join('\n');
}

function subject(name: string, label: string, vector: boolean): Subject {
  return {
    name,
    label,
    needs: 'dnsdist',
    command: setting => ({
      command: 'dnsdist',
      args: ['--supervised', '--disable-syslog', '-C', `${setting.folder}/dnsdist.conf`],
      files: { 'dnsdist.conf': configuration(setting, vector) },
    }),
  };
}

export const dnsdist = subject('dnsdist', 'dnsdist, defaults', false);
export const dnsdistVector = subject('dnsdist-64', 'dnsdist, vector 64', true);
