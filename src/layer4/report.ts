/** What is told of the kernel data plane: `GET /api/v1/layer4`. Plain data; times of day in ms since 1970. */
import type { BackendRole } from './plan.ts';

export type Layer4BackendStatus = {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly role: BackendRole;
  /** Its share of new flows that is wanted, and that the kernel has, 0 … 1; null: not known. */
  readonly wanted: number;
  readonly actual: number | null;
};

export type Layer4Status = {
  readonly dataPlane: 'nftables' | 'ipvs';
  /** The table, or `ipvs`. */
  readonly table: string;
  /** `agrees`: the kernel has what is wanted. `applying`: it is on its way. `failed`: see `problem`; it is tried again. */
  readonly state: 'applying' | 'agrees' | 'failed';
  readonly since: number;
  /** When the kernel was read back last; null: never. */
  readonly checked: number | null;
  readonly problem: { readonly code: string; readonly message: string; readonly remedy: string } | null;
  readonly warnings: readonly string[];
  readonly services: readonly {
    readonly address: string;
    readonly port: number;
    readonly protocols: readonly ('udp' | 'tcp')[];
    readonly backends: readonly Layer4BackendStatus[];
  }[];
};
