import type { StopCause } from './attempt-record.ts';
import type { AttemptKey } from './ports.ts';

/**
 * One thing to do, as data. Work steps take an attempt through its phase; `cancel` notes why it has to end,
 * `interrupt` aborts the work step that is going on, `stop` ends its container, `remove` clears what the engine
 * holds for an attempt that nobody remembers, `forget` drops a settled record.
 */
export type Step =
  | { readonly kind: WorkKind; readonly key: AttemptKey }
  | { readonly kind: 'cancel'; readonly key: AttemptKey; readonly cause: StopCause }
  | { readonly kind: 'interrupt' | 'stop' | 'remove' | 'forget'; readonly key: AttemptKey };

/** Steps of which an attempt has one at a time. */
export const workKinds = [
  'pull',
  'fetch-inputs',
  'prepare',
  'start',
  'adopt',
  'abandon',
  'collect',
  'upload',
  'report',
  'clean',
] as const;
export type WorkKind = (typeof workKinds)[number];

export function isWork(step: Step): step is Extract<Step, { kind: WorkKind }> {
  return (workKinds as readonly string[]).includes(step.kind);
}

/** Where every kind has been handled: a new one without its handler does not compile. */
export function unreachable(kind: never): never {
  throw new Error(`nothing handles ${JSON.stringify(kind)}`);
}
