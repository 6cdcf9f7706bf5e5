/** The names by which a server tells who it is: CH TXT id.server, hostname.bind (RFC 4892), version.bind. */
import { sameFolded } from '#kit/fold.ts';
import { parseName } from '#wire/name.ts';

const classChaos = 3;
const typeTxt = 16;
const typeAny = 255;

export class Identity {
  /** Text for id.server, hostname.bind and NSID: at most 255 bytes. */
  readonly id: Uint8Array;
  readonly #version: Uint8Array;
  readonly #names = ['id.server.', 'hostname.bind.', 'version.bind.', 'version.server.'].map(name =>
    parseName(name),
  );

  constructor(id: string, version: string) {
    this.id = new TextEncoder().encode(id).subarray(0, 255);
    this.#version = new TextEncoder().encode(version).subarray(0, 255);
  }

  /** The text that answers this question; null when it is not about us. An empty text: the name is ours, not the type. */
  textFor(
    u8: Uint8Array,
    nameAt: number,
    nameLength: number,
    type: number,
    klass: number,
  ): Uint8Array | null {
    if (klass !== classChaos) return null;
    for (let i = 0; i < this.#names.length; i++) {
      const name = this.#names[i]!;
      if (name.length !== nameLength || !sameFolded(name, 0, u8, nameAt, nameLength)) continue;
      if (type !== typeTxt && type !== typeAny) return nothing;
      return i < 2 ? this.id : this.#version;
    }
    return null;
  }
}

const nothing = new Uint8Array(0);
