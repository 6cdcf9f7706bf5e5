/** The reference of metrics. */
import { metricFamilies } from '#insight/registry.ts';

/** docs/reference/metrics.md */
export function metricsPage(): string {
  const rows = metricFamilies.map(({ name, type, unit, labels, help }) => {
    const shown = labels.map(label => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type}${unit ? `, ${unit}` : ''} | ${shown} | ${help.replaceAll('|', '\\|')} |`;
  });
  return `# Metrics

<!-- Made by scripts/docs.ts from the metric families in src/insight/. Do not edit. -->

What \`/metrics\` on the API shows to Prometheus. How to read them: [metrics.md](../metrics.md).

| name | type | labels | meaning |
|---|---|---|---|
${rows.join('\n')}
`;
}
