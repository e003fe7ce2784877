/** Text of a trace by the path that the scenario gives; undefined where there is no such file. */
export type ReadText = (path: string) => string | undefined;
