/** The API's part of the configuration. */
import { offOr, option } from '#kit/option.ts';
import { endpoint } from '#net/schema.ts';

/** Port of the API where none is given. */
export const apiPort = 8053;

/** Top-level options of this folder. */
export const apiOptions = {
  api: option(offOr(endpoint(apiPort)), {
    docs: 'Where status, metrics and commands are served over HTTP. Whoever reaches it can command Chorus: keep it on loopback or a guarded network. `off`: `chorus status`, `chorus reload` and the like do not work; signals do.',
    default: `127.0.0.1:${apiPort}`,
    applies: 'restart',
  }),
};
