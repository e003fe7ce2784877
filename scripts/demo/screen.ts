import type { TaskStateName } from '@capacloud/protocol/routes/states';
import type { TaskView } from '@capacloud/protocol/routes/views';
import stringWidth from 'string-width';

/** Where the demo writes: a live board on a terminal, plain lines elsewhere (CI, pipes, NO_COLOR honoured). */
export interface Screen {
  /** A step that takes a while; shown as done when the work resolves. */
  step<T>(title: string, work: () => Promise<T>, done?: (value: T) => string): Promise<T>;
  line(text: string): void;
  /** Redraws (or, without a terminal, reports what changed since the last call). */
  board(board: Board): void;
  /** Leaves the board where it is and goes on below. */
  settle(): void;
  readonly paint: Paint;
}

export interface Board {
  readonly title: string;
  readonly columns: number;
  readonly tasks: readonly TaskView[];
  /** One colour index for each agent, by node id. */
  readonly agents: ReadonlyMap<
    string,
    { readonly name: string; readonly colour: number; readonly alive: boolean }
  >;
  readonly elapsedMs: number;
}

export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  agent(index: number, text: string): string;
}

const agentColours = [36, 35, 33, 34, 32, 31];

export function createPaint(enabled: boolean): Paint {
  const wrap = (open: number, close: number) => (text: string) =>
    enabled ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    good: wrap(32, 39),
    bad: wrap(31, 39),
    agent: (index, text) => wrap(agentColours[index % agentColours.length] ?? 36, 39)(text),
  };
}

const marks: Readonly<Record<TaskStateName, string>> = {
  queued: '··',
  assigned: '▁▁',
  pulling: '▁▁',
  starting: '▂▂',
  running: '▄▄',
  uploading: '▆▆',
  verifying: '▆▆',
  succeeded: '██',
  failed: '✖✖',
  cancelled: '✖✖',
  expired: '✖✖',
};

export function createScreen(out: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Screen {
  const live = out.isTTY === true && env.CI === undefined && env.TERM !== 'dumb';
  const paint = createPaint(out.isTTY === true && env.NO_COLOR === undefined && env.TERM !== 'dumb');
  let drawn = 0;
  let last = '';
  const erase = () => {
    if (drawn > 0) out.write(`\u001b[${drawn}A\u001b[0J`);
    drawn = 0;
  };
  const write = (text: string) => out.write(`${text}\n`);

  return {
    paint,
    line(text) {
      erase();
      write(text);
    },
    async step(title, work, done) {
      if (live) out.write(`${paint.dim('…')} ${title}`);
      const started = performance.now();
      try {
        const value = await work();
        if (live) out.write('\r\u001b[2K');
        write(
          `${paint.good('✔')} ${done?.(value) ?? title} ${paint.dim(seconds(performance.now() - started))}`,
        );
        return value;
      } catch (error) {
        if (live) out.write('\r\u001b[2K');
        write(`${paint.bad('✖')} ${title}`);
        throw error;
      }
    },
    board(board) {
      const lines = live ? drawBoard(board, paint) : [summary(board, paint)];
      const text = lines.join('\n');
      // Without a terminal each line stays, so one for each finished task is enough.
      const key = live ? text : text.slice(0, text.indexOf(','));
      if (key === last) return;
      last = key;
      if (live) erase();
      write(text);
      if (live) drawn = lines.length;
    },
    settle() {
      drawn = 0;
      last = '';
    },
  };
}

function drawBoard(board: Board, paint: Paint): string[] {
  const lines = [''];
  for (let start = 0; start < board.tasks.length; start += board.columns) {
    const cells = board.tasks.slice(start, start + board.columns).map((task) => {
      const agent = task.node === undefined ? undefined : board.agents.get(task.node);
      const mark = marks[task.state];
      return agent === undefined || task.state === 'queued'
        ? paint.dim(mark)
        : paint.agent(agent.colour, mark);
    });
    lines.push(`    ${cells.join(' ')}`);
  }
  const legend = [...board.agents.values()].map(
    ({ name, colour, alive }) =>
      `${paint.agent(colour, '██')} ${alive ? name : paint.bad(`${name} (killed)`)}`,
  );
  lines.push(
    '',
    `    ${legend.join('   ')}`,
    `    ${summary(board, paint)} ${paint.dim(seconds(board.elapsedMs))}`,
    '',
  );
  return lines;
}

function summary({ tasks, title }: Board, paint: Paint): string {
  const ended = tasks.filter((task) => task.state === 'succeeded').length;
  const active = tasks.filter(
    (task) => !['queued', 'succeeded', 'failed', 'cancelled', 'expired'].includes(task.state),
  ).length;
  return `${title}: ${paint.bold(`${ended}/${tasks.length}`)} tasks done, ${active} on nodes`;
}

export function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}

/** Rows of cells as aligned columns; colour codes do not count as width. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string[] {
  const widths = header.map((cell, column) =>
    Math.max(stringWidth(cell), ...rows.map((row) => stringWidth(row[column] ?? ''))),
  );
  const format = (row: readonly string[]) =>
    `    ${row.map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - stringWidth(cell)))).join('  ')}`.trimEnd();
  return [format(header.map((cell) => paint.dim(cell))), ...rows.map(format)];
}
