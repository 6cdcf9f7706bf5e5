/** The file that Chorus owns in BIRD's configuration. Pure. */
import { type Announcement, type Attributes, formatPrefix } from '../../announcement.ts';

/** The first words of every file that Chorus writes: another file is never overwritten. */
export const mark = '# Written by Chorus';

export type FileOptions = {
  /** Protocols are NAME4 and NAME6. */
  readonly name: string;
  /** Our routes come to the tables TABLE4 and TABLE6. */
  readonly table: string;
  /** The interface that must have an address for it to be announced; null: announced always. */
  readonly lease: string | null;
  /** What is put before the path; null: not known, nothing is. */
  readonly as: number | null;
};

/** Names of protocols by which a route of ours is known, where it comes from. */
export function ownProtocols({ name, lease }: Pick<FileOptions, 'name' | 'lease'>): readonly string[] {
  return lease === null ? [`${name}4`, `${name}6`] : [`${name}_direct`];
}

/** The protocol that is there whenever the file is read. */
export function witness({ name }: Pick<FileOptions, 'name'>): string {
  return `${name}4`;
}

/** The whole file. The same announcements in any order give the same text. */
export function configurationFile(announcements: readonly Announcement[], options: FileOptions): string {
  const { name, table, lease } = options;
  const families = (['ipv4', 'ipv6'] as const).map(family => ({
    family,
    number: family === 'ipv4' ? 4 : 6,
    wanted: announcements
      .filter(({ prefix }) => prefix.address.includes(':') === (family === 'ipv6'))
      .toSorted((a, b) => (formatPrefix(a.prefix) < formatPrefix(b.prefix) ? -1 : 1)),
  }));
  const head = `${mark}, and written anew at every change: do not edit.\n`;
  if (lease === null) {
    return (
      head +
      families
        .map(
          ({ family, number, wanted }) => `protocol static ${name}${number} {
  ${family} { table ${table}${number}; };
${wanted
  .map(({ prefix, attributes }) => {
    const sets = settings(attributes, options.as);
    return `  route ${formatPrefix(prefix)} blackhole${sets === '' ? '' : ` { ${sets} }`};\n`;
  })
  .join('')}}
`,
        )
        .join('')
    );
  }
  // An address of the interface is a route of the direct protocol, in tables of our own; the pipes let those through that are
  // wanted, with attributes. When the kernel takes the address away, the route goes.
  return `${head}ipv4 table ${name}_lease4;
ipv6 table ${name}_lease6;
protocol direct ${name}_direct {
  interface "${lease}";
  ipv4 { table ${name}_lease4; };
  ipv6 { table ${name}_lease6; };
}
${families
  .map(
    ({ number, wanted }) => `protocol pipe ${name}${number} {
  table ${table}${number};
  peer table ${name}_lease${number};
  export none;
  import filter {
${wanted
  .map(
    ({ prefix, attributes }) =>
      `    if net = ${formatPrefix(prefix)} then { ${`${settings(attributes, options.as)} accept;`.trim()} }\n`,
  )
  .join('')}    reject;
  };
}
`,
  )
  .join('')}`;
}

function settings(
  { med, localPreference, communities, largeCommunities, prepend }: Attributes,
  as: number | null,
): string {
  const tuple = (text: string) => `(${text.split(':').join(',')})`;
  return [
    ...(med === null ? [] : [`bgp_med = ${med};`]),
    ...(localPreference === null ? [] : [`bgp_local_pref = ${localPreference};`]),
    ...communities.map(community => `bgp_community.add(${tuple(community)});`),
    ...largeCommunities.map(community => `bgp_large_community.add(${tuple(community)});`),
    ...(as === null ? [] : Array<string>(prepend).fill(`bgp_path.prepend(${as});`)),
  ].join(' ');
}
