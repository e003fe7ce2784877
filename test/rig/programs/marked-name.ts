import { runMark } from '../leftovers/run-mark.ts';

/** A name of a coordinator, which its agents put on whatever they make on an engine. */
export const markedName = (first: string): string => `${first}.${runMark()}.test`.toLowerCase();
