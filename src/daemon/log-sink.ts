/** Where the daemon's log goes: standard error, as lines for people, as JSON, or as the journal of systemd takes it. */
import { type Fields, formatEvent, Log, type LogLevel, logLevels } from '#kit/log.ts';

/** Level and form can change at a reload; the log stays the same. */
export type LogSettings = { readonly level: LogLevel; readonly format: 'text' | 'json' };

/** One event as a line without its end. `journal`: with a priority, without time (sd-daemon(3)). */
export function logLine(
  time: Date,
  level: LogLevel,
  text: string,
  fields: Fields,
  form: 'text' | 'json' | 'journal',
): string {
  if (form === 'json') return JSON.stringify({ time: time.toISOString(), level, text, ...fields });
  const { stack, ...rest } = fields;
  const lines = [formatEvent(text, rest)];
  if (stack !== undefined && stack !== '')
    lines.push(
      ...String(stack)
        .split('\n')
        .map(line => `    ${line}`),
    );
  const head = form === 'journal' ? `<${priorities[level]}>` : `${time.toISOString()} ${level.padEnd(5)} `;
  return lines.map(line => head + line).join('\n');
}

const priorities = { debug: 7, info: 6, warn: 4, error: 3 } as const;

/** The log of the daemon with the setter of its settings. */
export function daemonLog(): { log: Log; set(settings: LogSettings): void } {
  let { level: lowest, format }: LogSettings = { level: 'info', format: 'text' };
  // systemd names the journal's socket to what it starts.
  const journal = process.env.JOURNAL_STREAM !== undefined && process.env.INVOCATION_ID !== undefined;
  // A reader of the log that goes away does not stop the service.
  process.stderr.on('error', () => {});
  const log = new Log((level, text, fields) => {
    if (logLevels.indexOf(level) < logLevels.indexOf(lowest)) return;
    const form = format === 'text' && journal ? 'journal' : format;
    process.stderr.write(`${logLine(new Date(), level, text, fields, form)}\n`);
  }, 'debug');
  return {
    log,
    set(settings) {
      lowest = settings.level;
      format = settings.format;
    },
  };
}
