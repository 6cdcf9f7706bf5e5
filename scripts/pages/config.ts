/** The reference of configuration options, and the example with all of them. */
import { stringify } from 'yaml';
import { loadConfig } from '#config/load.ts';
import { type Plain, plainOf } from '#config/plain.ts';
import { allOptions, type OptionEntry } from '#config/walk.ts';

/** docs/reference/config.md */
export function configPage(): string {
  const options = allOptions();
  return `# Configuration options

<!-- Made by scripts/docs.ts from the schemas. Do not edit. -->

A configuration is one YAML 1.2 file. Durations have a unit (\`500ms\`, \`2s\`, \`5m\`, \`1h\`, \`1d\`), and so have sizes
(\`512KiB\`, \`64MiB\`, \`1GiB\`). IPv6 addresses with a port stand in brackets and quotes: \`"[2001:db8::1]:53"\`. A list of one
may be written without brackets. \`chorus config check FILE\` tells what is wrong and where; \`chorus config show FILE\` shows
the file with every default; \`examples/full.yaml\` has every option.

A reload (\`chorus reload\`, SIGHUP) puts a new file in force whole or not at all. Options marked *restart* keep their
value until Chorus is started again; \`chorus config diff OLD NEW\` says which those would be.

An editor with a YAML language server completes and checks the file when it begins with this line (adapt the path):

\`\`\`yaml
# yaml-language-server: $schema=../docs/config.schema.json
\`\`\`

| option | default | change |
|---|---|---|
${options.map(row).join('\n')}

${options.map(entry).join('\n\n')}
`;
}

/** `pools.NAME.backends[].weight` */
function nameOf({ path }: OptionEntry): string {
  return path
    .map(step => (step === '*' ? 'NAME' : step))
    .join('.')
    .replaceAll('.[]', '[]');
}

function row(option: OptionEntry): string {
  const name = nameOf(option);
  const indent = '&emsp;'.repeat(option.path.filter(step => step !== '[]').length - 1);
  return `| ${indent}[\`${name}\`](#${anchor(name)}) | ${standing(option, true)} | ${applies(option)} |`;
}

/** The anchor that GitHub gives to a heading. */
function anchor(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9-]/g, '');
}

function entry(option: OptionEntry): string {
  const { docs, expected, example } = option;
  const facts = [`Takes ${expected}.`, `Default: ${standing(option, false)}.`];
  if (!option.section && example !== undefined) facts.push(`Example: \`${inline(example)}\`.`);
  if (option.applies === 'restart') facts.push('A change needs a restart.');
  return `## \`${nameOf(option)}\`\n\n${docs}\n\n${facts.join(' ')}`;
}

function standing(option: OptionEntry, short: boolean): string {
  const { default: value, optional } = option;
  if (optional !== undefined) return optional;
  if (value === undefined) return 'none, it must be given';
  if (option.section && JSON.stringify(value) === '{}') return 'its options’ defaults';
  if (short && Array.isArray(value) && value.length > 3) return 'see below';
  return `\`${inline(value)}\``;
}

function applies(option: OptionEntry): string {
  if (option.section) return '';
  return option.applies === 'restart' ? '*restart*' : 'reload';
}

/** A value on one line, as YAML. */
function inline(value: unknown): string {
  const text = stringify(value, {
    collectionStyle: 'flow',
    lineWidth: 0,
    flowCollectionPadding: true,
  }).trim();
  return text.replace(/\s*\n\s*/g, ' ').replace(/^\[ (.*) \]$/, '[$1]');
}

/** What the example sets beyond the defaults. */
const seed = `
listen: ["127.0.0.1:5300", "[::1]:5300", "192.0.2.53:53"]
pools:
  default:
    backends:
      - { name: kai, address: "192.0.2.1:53", source: "192.0.2.10" }
      - { name: nika, address: "[2001:db8::2]:53", weight: 2 }
    probe: { name: check.example.net, type: A, expect: [NOERROR], answer: 192.0.2.80, dnssec: signed, counts: off }
  internal:
    policy: first-available
    backends: [{ name: rin, address: "192.0.2.3:53", capacity: 500 }]
    probes: [{ name: www.corp.example, type: A }, { name: www.corp.example, type: A, transport: tcp, interval: 10s }, { exec: [/usr/local/bin/check-dns, "{address}"], interval: 10s, timeout: 3s }]
domains: { corp.example: internal }
user: chorus
group: chorus
identity: front-1.example.net
service-addresses:
  - address: "192.0.2.53"
withdrawal-budget: {}
route-drivers:
${routeDrivers()}`;

/** A driver of each kind, as its example has it. */
function routeDrivers(): string {
  const kinds = allOptions().filter(({ path }) => path[0] === 'route-drivers' && path.length === 3);
  const lines = kinds.map(({ path, example }) => {
    const kind = path[2] ?? '';
    return `  ${kind}1: ${JSON.stringify({ [kind]: example })}`;
  });
  return lines.length === 0 ? '  {}' : lines.join('\n');
}

/** examples/full.yaml */
export function fullExample(): string {
  const options = new Map(allOptions().map(option => [option.path.join('.'), option]));
  const seen = new Set<string>();
  const lines = [
    '# Every option of Chorus, with what it means. Made by scripts/docs.ts from the schemas: do not edit, copy.',
    '# Where a line says so, the value is an example; all others are the defaults.',
  ];
  const comment = (path: readonly string[], indent: string) => {
    const key = path.join('.');
    const option = options.get(key);
    if (!option || seen.has(key)) return;
    seen.add(key);
    if (indent === '') lines.push('');
    const isDefault = 'default' in option && (option.section || option.example === undefined);
    const end = option.optional !== undefined ? ` Left out: ${option.optional}.` : '';
    const why = isDefault || option.section ? '' : ' (Example.)';
    lines.push(...wrap(`${option.docs}${end}${why}`, `${indent}# `));
  };
  const put = (value: Plain, path: readonly string[], indent: string, head: string) => {
    if (Array.isArray(value) && value.every(item => typeof item !== 'object')) {
      const items = value.map(scalar).join(', ');
      const oneLine = `${head} [${items}]`;
      if (oneLine.length <= 100) lines.push(oneLine);
      else lines.push(`${head}`, ...value.map(item => `${indent}  - ${scalar(item)}`));
    } else if (Array.isArray(value)) {
      lines.push(head);
      for (const item of value) members(item, [...path, '[]'], `${indent}    `, `${indent}  - `);
    } else if (typeof value === 'object') {
      const empty = Object.keys(value).length === 0;
      lines.push(empty ? `${head} {}` : head);
      members(value, path, `${indent}  `, `${indent}  `);
    } else lines.push(`${head} ${scalar(value)}`);
  };
  const members = (mapping: Plain, path: readonly string[], indent: string, first: string) => {
    if (typeof mapping !== 'object') return;
    let lead = first;
    for (const [key, value] of Object.entries(mapping)) {
      const any =
        options.has([...path, '*'].join('.')) ||
        (path.length === 1 && ['pools', 'domains', 'route-drivers'].includes(path[0] ?? ''));
      const below = [...path, any ? '*' : key];
      if (lead === indent) comment(below, indent);
      else {
        // The comment of a list element's first key stands above its dash.
        comment(below, first.replace('- ', ''));
      }
      put(value, below, indent, `${lead}${scalar(key)}:`);
      lead = indent;
    }
  };
  const plain = plainOf(loadConfig(seed, 'seed', { cores: 1, hostname: 'host' }));
  members({ ...plain, workers: 'auto' }, [], '', '');
  return `${lines.join('\n')}\n`;
}

function scalar(value: Plain): string {
  return stringify(value, { lineWidth: 0 }).trim();
}

function wrap(text: string, lead: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && lead.length + line.length + word.length + 1 > 100) {
      lines.push(lead + line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return [...lines, lead + line];
}
