/** The environment variable by which everything that a run started can be told from the rest of the machine. */
export const runVariable = 'CAPACLOUD_RUN';

/** Of the run that this process belongs to; a process that was started by itself is a run of its own. */
export const runMark = (): string => process.env[runVariable] ?? `p${process.pid.toString(36)}`;
