/** One line per event on standard error: level, code or component, text, and fields as key=value. */

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
export type Fields = Readonly<Record<string, string | number | boolean>>;

/** Takes one finished event; the composition root decides where it goes. */
export type LogSink = (level: LogLevel, text: string, fields: Fields) => void;

/** A log with a lowest level; calls below it cost one comparison. */
export class Log {
  readonly #sink: LogSink;
  readonly #lowest: number;

  constructor(sink: LogSink, lowest: LogLevel = 'info') {
    this.#sink = sink;
    this.#lowest = logLevels.indexOf(lowest);
  }

  debug(text: string, fields: Fields = {}): void {
    this.#write('debug', text, fields);
  }
  info(text: string, fields: Fields = {}): void {
    this.#write('info', text, fields);
  }
  warn(text: string, fields: Fields = {}): void {
    this.#write('warn', text, fields);
  }
  error(text: string, fields: Fields = {}): void {
    this.#write('error', text, fields);
  }

  #write(level: LogLevel, text: string, fields: Fields): void {
    if (logLevels.indexOf(level) >= this.#lowest) this.#sink(level, text, fields);
  }
}

/** `text key=value key="two words"`: the form of a log line, without time and level. */
export function formatEvent(text: string, fields: Fields): string {
  let line = text.replaceAll('\n', '\\n');
  for (const [key, value] of Object.entries(fields)) {
    const shown = String(value);
    line += ` ${key}=${/^[^\s"=]+$/.test(shown) ? shown : JSON.stringify(shown)}`;
  }
  return line;
}
