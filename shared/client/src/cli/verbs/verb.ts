import type { Context } from '../context.ts';

export interface VerbOptions {
  /** It does more than print: it goes on to its end when nobody reads what it prints. */
  readonly outlivesOutput?: boolean;
}

/** Wraps what a verb does; its result is the exit status, 0 when there is none. */
export type Runner = <A extends readonly unknown[]>(
  act: (context: Context, ...parameters: A) => Promise<number | undefined>,
  options?: VerbOptions,
) => (...parameters: A) => Promise<void>;
