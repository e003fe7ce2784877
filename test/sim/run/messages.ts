import type { Plan } from '../world/plan.ts';
import type { RunResult } from '../world/world.ts';

export type SimQuestion =
  | {
      readonly kind: 'run';
      readonly seed: number;
      /** Live it twice and compare. */
      readonly twice: boolean;
      /** Lines of the trace that are wanted. */
      readonly trace: number;
    }
  /** A rule of the journal's acceptance suite, on simulated files. */
  | { readonly kind: 'check journal'; readonly journal: 'kept' | 'lying'; readonly rule: string }
  | { readonly kind: 'shrink'; readonly seed: number; readonly rule: string; readonly budgetMs: number };

export interface SeedRun {
  readonly result: RunResult;
  readonly cpuMs: number;
  /** Undefined where it was run once. */
  readonly isSame?: boolean;
}
export interface ShrunkRun {
  readonly seed: number;
  readonly plan: Plan;
  readonly tries: number;
  readonly result: RunResult;
}

export type SimAnswer =
  | { readonly kind: 'ready' }
  /** How the rule is broken, where it is. */
  | { readonly kind: 'checked'; readonly broken?: string }
  | ({ readonly kind: 'ran' } & SeedRun)
  | ({ readonly kind: 'shrunk' } & ShrunkRun);
