/** What a benchmark can be run on: one file per server, saying how to start it for a given setting. */

/** What a case asks of a server. */
export type Setting = {
  /** Port of 127.0.0.1 to listen on. */
  readonly port: number;
  /** Another, for status over HTTP, where the server has that. */
  readonly apiPort: number;
  /** Ports of the answerers on 127.0.0.1 to forward to. */
  readonly backends: readonly number[];
  /** Whether answers may be kept. */
  readonly cache: boolean;
  /** Answers that the cache is to hold. */
  readonly entries: number;
  /** Whether health checks are as often as they come with the server, rather than each 10 s. */
  readonly usualChecks: boolean;
  /** A folder of its own for configuration and state. */
  readonly folder: string;
};

export type Command = {
  readonly command: string;
  readonly args: readonly string[];
  /** Files to be written into the setting's folder first, by name. */
  readonly files?: Readonly<Record<string, string>>;
};

export type Subject = {
  readonly name: string;
  /** How tables and pictures call it. */
  readonly label: string;
  /** How many findings there are against the backend on a port, by kind, in a server's status (the body of GET /metrics). */
  findings?(metrics: string, backend: number): Readonly<Record<string, number>>;
  /** The program that must be there. */
  readonly needs: string;
  command(setting: Setting): Command;
};
