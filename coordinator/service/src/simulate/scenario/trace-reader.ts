import type { ReadText } from './read-text.ts';
import type { Reading } from './reading.ts';
import {
  parseTracedNodes,
  parseTracedTasks,
  type TracedNode,
  type TracedTask,
  TraceError,
} from './trace-table.ts';

/** Reads each trace once, for however many variants. */
export class TraceReader {
  readonly #readText: ReadText;
  readonly #nodes = new Map<string, readonly TracedNode[]>();
  readonly #tasks = new Map<string, readonly TracedTask[]>();

  constructor(readText: ReadText) {
    this.#readText = readText;
  }

  /** Undefined after the problem was told. */
  nodes(path: string, pointer: string, read: Reading): readonly TracedNode[] | undefined {
    return this.#read(this.#nodes, parseTracedNodes, path, pointer, read);
  }

  /** Undefined after the problem was told. */
  tasks(path: string, pointer: string, read: Reading): readonly TracedTask[] | undefined {
    return this.#read(this.#tasks, parseTracedTasks, path, pointer, read);
  }

  #read<T>(
    known: Map<string, T>,
    parse: (text: string) => T,
    path: string,
    pointer: string,
    read: Reading,
  ): T | undefined {
    const earlier = known.get(path);
    if (earlier !== undefined) return earlier;
    const text = this.#readText(path);
    if (text === undefined) {
      read.problem(
        pointer,
        `names ${path}, which is no file that can be read; paths are from the scenario's folder`,
      );
      return undefined;
    }
    try {
      const rows = parse(text);
      known.set(path, rows);
      return rows;
    } catch (error) {
      if (!(error instanceof TraceError)) throw error;
      const { message } = error;
      read.problem(pointer, `names ${path}, which ${message}`);
      return undefined;
    }
  }
}
