import type { NodeStatus } from '@capacloud/core/contract/event';
import {
  type JobStateName,
  jobStates,
  type TaskStateName,
  taskStates,
} from '@capacloud/protocol/routes/states';
import type { LedgerEntryRow, SystemAccount } from '../ports/read-store.ts';

/** Names that are stored as their position. Append only: stored files hold the positions. */
export class CodeTable<T extends string> {
  readonly #names: readonly T[];
  readonly #codes: ReadonlyMap<string, number>;

  constructor(names: readonly T[]) {
    this.#names = names;
    this.#codes = new Map(names.map((name, code) => [name, code]));
  }

  /** Throws on a name that has no code: a programmer's error. */
  codeOf(name: T): number {
    const code = this.#codes.get(name);
    if (code === undefined) throw new Error(`no code for ${name}`);
    return code;
  }

  nameOf(code: number): T {
    const name = this.#names[code];
    if (name === undefined) throw new Error(`no name for code ${code}`);
    return name;
  }
}

export const taskStateCodes = new CodeTable<TaskStateName>(taskStates);
export const jobStateCodes = new CodeTable<JobStateName>(jobStates);
export const nodeStatusCodes = new CodeTable<NodeStatus>([
  'joining',
  'ready',
  'cordoned',
  'draining',
  'unknown',
  'lost',
  'gone',
]);
export const transferKindCodes = new CodeTable<LedgerEntryRow['kind']>([
  'grant',
  'hold',
  'capture',
  'void',
  'expire',
]);
/** They have the numbers 1 to 5 in the table of accounts. */
export const systemAccounts: readonly SystemAccount[] = ['holds', 'fees', 'emission', 'penalties', 'custody'];
