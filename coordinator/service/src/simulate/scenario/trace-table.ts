/** A machine of a trace. */
export interface TracedNode {
  readonly cpuMilli: number;
  readonly memoryMib: number;
  readonly gpus: number;
  readonly model: string;
}

/** A task of a trace; its times, in seconds of the trace, where it has them. */
export interface TracedTask {
  readonly cpuMilli: number;
  readonly memoryMib: number;
  readonly gpus: number;
  /** Thousandths of one GPU. */
  readonly gpuMilli: number;
  readonly models: readonly string[];
  readonly createdAtS: number | undefined;
  readonly ranS: number | undefined;
}

/** A file that is no trace. Its message goes on from the name of the file. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}

const maxRows = 500_000;

/** Columns `cpu_milli, memory_mib, gpu, model`, in any order among others. Throws TraceError. */
export function parseTracedNodes(text: string): readonly TracedNode[] {
  return parseTable(text, ['cpu_milli', 'memory_mib', 'gpu', 'model'], (row) => ({
    cpuMilli: row.count('cpu_milli'),
    memoryMib: row.count('memory_mib'),
    gpus: row.count('gpu'),
    model: row.text('model'),
  }));
}

/**
 * Columns `cpu_milli, memory_mib, num_gpu, gpu_milli`, and where they are there `gpu_spec` (acceptable models, separated by
 * a bar), `creation_time`, `scheduled_time` and `deletion_time` in seconds. Throws TraceError.
 */
export function parseTracedTasks(text: string): readonly TracedTask[] {
  return parseTable(text, ['cpu_milli', 'memory_mib', 'num_gpu', 'gpu_milli'], (row) => {
    const startedS = row.optionalCount('scheduled_time');
    const endedS = row.optionalCount('deletion_time');
    const gpus = row.count('num_gpu');
    return {
      cpuMilli: row.count('cpu_milli'),
      memoryMib: row.count('memory_mib'),
      gpus,
      gpuMilli: gpus === 1 ? row.count('gpu_milli') : 1000,
      models: row
        .text('gpu_spec')
        .split('|')
        .filter((model) => model !== ''),
      createdAtS: row.optionalCount('creation_time'),
      ranS: startedS === undefined || endedS === undefined ? undefined : Math.max(0, endedS - startedS),
    };
  });
}

interface Row {
  text(column: string): string;
  count(column: string): number;
  /** Undefined where the cell is empty or the column is not there. */
  optionalCount(column: string): number | undefined;
}

function parseTable<T>(text: string, columns: readonly string[], read: (row: Row) => T): readonly T[] {
  const [header = '', ...lines] = text.trim().split(/\r?\n/);
  const names = header.split(',').map((name) => name.trim());
  const missing = columns.filter((column) => !names.includes(column));
  if (missing.length > 0)
    throw new TraceError(`has no column ${missing.join(', ')}; its first line names the columns`);
  if (lines.length === 0) throw new TraceError('has no row');
  if (lines.length > maxRows) throw new TraceError(`has more than ${maxRows} rows`);
  return lines.map((line, index) => {
    const cells = line.split(',');
    const cellOf = (column: string): string => (cells[names.indexOf(column)] ?? '').trim();
    const count = (column: string): number => {
      const value = cellOf(column) === '' ? Number.NaN : Number(cellOf(column));
      if (!Number.isSafeInteger(value) || value < 0)
        throw new TraceError(
          `says in line ${index + 2} that ${column} is "${cellOf(column)}", not a whole number`,
        );
      return value;
    };
    return read({
      text: cellOf,
      count,
      optionalCount: (column) => (cellOf(column) === '' ? undefined : count(column)),
    });
  });
}
