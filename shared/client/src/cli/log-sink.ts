import { type TaskId, taskIndexOf } from '@capacloud/protocol/ids';
import type { Context } from './context.ts';

/** Where the output of one attempt goes. */
export interface LogSink {
  write(text: string): void;
  end(): void;
}

/** A line longer than this is written in pieces. */
const maxLineChars = 64 * 1024;

/**
 * As it came for one task; with the task's index before each line when several share the terminal; as NDJSON
 * with --json.
 */
export function openSink(context: Context, task: TaskId, attempt: number, isShared: boolean): LogSink {
  const { out } = context.terminal;
  if (context.json) {
    return {
      write: (text) => {
        if (text !== '') context.writeJson({ task, attempt, text });
      },
      end: () => undefined,
    };
  }
  if (!isShared) return { write: (text) => out.write(text), end: () => undefined };
  const index = taskIndexOf(task);
  const prefix = out.paint(toneOf(index), `${String(index).padStart(4)} │ `);
  let rest = '';
  return {
    write: (text) => {
      rest += text;
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      if (lines.length > 0) out.write(lines.map((line) => `${prefix}${line}\n`).join(''));
      if (rest.length > maxLineChars) {
        out.write(`${prefix}${rest}\n`);
        rest = '';
      }
    },
    end: () => {
      if (rest !== '') out.write(`${prefix}${rest}\n`);
      rest = '';
    },
  };
}

/** Neighbours differ. */
function toneOf(index: number) {
  return (['cyan', 'yellow', 'green', 'blue'] as const)[index % 4] ?? 'cyan';
}
