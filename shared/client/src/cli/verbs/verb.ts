import type { Context } from '../context.ts';

/** Wraps what a verb does; its result is the exit status, 0 when there is none. */
export type Runner = <A extends readonly unknown[]>(
  act: (context: Context, ...parameters: A) => Promise<number | undefined>,
) => (...parameters: A) => Promise<void>;
