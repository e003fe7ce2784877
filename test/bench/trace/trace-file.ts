import { readFileSync } from 'node:fs';

/** What one task of a trace wants. */
export interface TraceTask {
  readonly cpuMilli: number;
  readonly memoryMib: number;
  readonly gpus: number;
  /** Thousandths of each GPU. */
  readonly gpuMilli: number;
  /** Lower case; empty for any. */
  readonly models: readonly string[];
}

export interface TraceNode {
  readonly cpuMilli: number;
  readonly memoryMib: number;
  readonly gpus: number;
  readonly model: string;
}

/** A file that is no trace. */
export class TraceFileError extends Error {
  override readonly name = 'TraceFileError';
}

/** Reads `cpu_milli, memory_mib, num_gpu, gpu_milli[, gpu_spec]`, in any order among other columns. Throws TraceFileError. */
export function readTasks(path: string): readonly TraceTask[] {
  return readTable(path, ['cpu_milli', 'memory_mib', 'num_gpu', 'gpu_milli'], (count, text) => {
    const gpus = count('num_gpu');
    return {
      cpuMilli: count('cpu_milli'),
      memoryMib: count('memory_mib'),
      gpus,
      gpuMilli: gpus === 0 ? 0 : gpus === 1 ? count('gpu_milli') : 1000,
      models: text('gpu_spec')
        .toLowerCase()
        .split('|')
        .filter((model) => model !== ''),
    };
  });
}

/** Reads `cpu_milli, memory_mib, gpu, model`. Throws TraceFileError. */
export function readNodes(path: string): readonly TraceNode[] {
  return readTable(path, ['cpu_milli', 'memory_mib', 'gpu', 'model'], (count, text) => ({
    cpuMilli: count('cpu_milli'),
    memoryMib: count('memory_mib'),
    gpus: count('gpu'),
    model: text('model').toLowerCase(),
  }));
}

function readTable<T>(
  path: string,
  columns: readonly string[],
  row: (count: (column: string) => number, text: (column: string) => string) => T,
): readonly T[] {
  const [header = '', ...lines] = readFileSync(path, 'utf8').trim().split(/\r?\n/);
  const names = header.split(',');
  const missing = columns.filter((column) => !names.includes(column));
  if (missing.length > 0)
    throw new TraceFileError(`${path}: there is no column ${missing.join(', ')}; its first line names them`);
  return lines.map((line, index) => {
    const cells = line.split(',');
    const text = (column: string): string => cells[names.indexOf(column)] ?? '';
    const count = (column: string): number => {
      const value = Number(text(column));
      if (!Number.isSafeInteger(value) || value < 0)
        throw new TraceFileError(`${path}:${index + 2}: ${column} is "${text(column)}", not a whole number`);
      return value;
    };
    return row(count, text);
  });
}
