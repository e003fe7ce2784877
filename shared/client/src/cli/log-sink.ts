import { type TaskId, taskIndexOf } from '@capacloud/protocol/ids';
import type { SeenGap } from '../follow.ts';
import type { Context } from './context.ts';

/** Where the output of one attempt goes. */
export interface LogSink {
  write(text: string): void;
  /** Says on standard error which bytes are missing here: standard output is the program's alone. */
  gap(gap: SeenGap): void;
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
      gap: (gap) => context.writeJson({ task, attempt, gap }),
      end: () => undefined,
    };
  }
  if (!isShared) return plainSink(context);
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
    gap: (gap) => {
      if (rest !== '' && gap.to !== undefined) {
        out.write(`${prefix}${rest}\n`);
        rest = '';
      }
      context.say(`task ${index}: ${gapText(gap)}`);
    },
    end: () => {
      if (rest !== '') out.write(`${prefix}${rest}\n`);
      rest = '';
    },
  };
}

function plainSink(context: Context): LogSink {
  const { out, err } = context.terminal;
  let isLineBegun = false;
  return {
    write: (text) => {
      if (text === '') return;
      isLineBegun = !text.endsWith('\n');
      out.write(text);
    },
    gap: (gap) => {
      if (isLineBegun && out.isTty && err.isTty) err.write('\n');
      isLineBegun = false;
      context.say(gapText(gap));
    },
    end: () => undefined,
  };
}

const heldText = 'So much output is shown while the task runs; its end follows when the attempt has ended.';

/** What to say where a part of an output is missing, or is not shown yet. */
function gapText({ from, to }: SeenGap): string {
  if (to === undefined) return heldText;
  const missing = (to - from).toLocaleString('en-US');
  return `[capacloud: ${missing} bytes of the output are missing here (offsets ${from} to ${to}); its beginning and its end are kept]`;
}

/** Neighbours differ. */
function toneOf(index: number) {
  return (['cyan', 'yellow', 'green', 'blue'] as const)[index % 4] ?? 'cyan';
}
