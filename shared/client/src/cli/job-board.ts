import type { TaskId } from '@capacloud/protocol/ids';
import { endedJobStates, type TaskStateName, taskStates } from '@capacloud/protocol/routes/states';
import type { JobView, TaskView } from '@capacloud/protocol/routes/views';
import type { JobChange } from '../follow.ts';
import { barText } from './live-region.ts';
import { capaText, durationText, plain, plural, stateSign, stateText } from './phrases.ts';
import { type Output, wrap } from './terminal.ts';

/** What the live view needs of a task: a job may have ten thousand. */
type KnownTask = Pick<
  TaskView,
  | 'index'
  | 'state'
  | 'reason'
  | 'message'
  | 'hint'
  | 'attempts'
  | 'exit_code'
  | 'will_retry'
  | 'pull'
  | 'node'
>;

const maxPullLines = 3;
/** The only task of a job passes through these quickly, and how it ended is told of the job. */
const untoldOfSingle: readonly TaskStateName[] = [
  'assigned',
  'starting',
  'uploading',
  'verifying',
  'succeeded',
  'failed',
];
/** From the most to the least interesting. */
const shownStates = [...taskStates].reverse();

/** How a followed job stands, and how to draw it. */
export class JobBoard {
  readonly #tasks = new Map<TaskId, KnownTask>();
  readonly #skipped = new Map<TaskId, number>();
  #job: JobView;

  constructor(job: JobView) {
    this.#job = job;
  }

  get job(): JobView {
    return this.#job;
  }

  /** Takes a change in; a sentence for those who cannot watch, where there is something to say. */
  apply(change: JobChange, output: Output): string | undefined {
    if (change.kind === 'job') {
      const before = this.#job.state;
      this.#job = change.job;
      const isTold = this.#isSingle || endedJobStates.includes(change.job.state);
      if (before === change.job.state || isTold) return undefined;
      return `job ${stateText(output, change.job.state)}`;
    }
    const { index, state, reason, message, hint, attempts, exit_code, will_retry, pull, node } = change.task;
    if (change.task.skipped !== undefined) this.#skipped.set(change.task.id, change.task.skipped.total);
    const before = this.#tasks.get(change.task.id);
    this.#tasks.set(change.task.id, {
      index,
      state,
      reason,
      message,
      hint,
      attempts,
      will_retry,
      ...(exit_code === undefined ? {} : { exit_code }),
      ...(pull === undefined ? {} : { pull }),
      ...(node === undefined ? {} : { node }),
    });
    const isNews = before === undefined ? state !== 'queued' : before.state !== state;
    if (!isNews || (this.#isSingle && untoldOfSingle.includes(state))) return undefined;
    return taskLine(output, change.task, this.#isSingle);
  }

  /** By task: how many of its outputs could not be kept. */
  get skippedOutputs(): ReadonlyMap<TaskId, number> {
    return this.#skipped;
  }

  get #isSingle(): boolean {
    return this.#job.tasks.total === 1;
  }

  /** Takes in a task that waits, whose reason changes without a change of the task. */
  noteWaiting(task: TaskView): void {
    const known = this.#tasks.get(task.id);
    if (known?.state !== 'queued') return;
    const { reason, message, hint } = task;
    this.#tasks.set(task.id, { ...known, reason, message, hint });
  }

  /** Why nothing runs, when nothing runs. */
  get waiting(): Pick<TaskView, 'reason' | 'message' | 'hint'> | undefined {
    if (this.#job.tasks.active > 0 || endedJobStates.includes(this.#job.state)) return undefined;
    const first = [...this.#tasks.values()].find((task) => task.state === 'queued');
    return first === undefined || first.reason === 'submitted' || first.reason === 'assigned'
      ? undefined
      : first;
  }

  /** The job in a few lines. */
  draw(output: Output, nowMs: number): readonly string[] {
    const { paint } = output;
    const job = this.#job;
    const { total, succeeded, failed, cancelled, expired } = job.tasks;
    const done = succeeded + failed + cancelled + expired;
    const endMs = job.ended_at === undefined ? nowMs : Date.parse(job.ended_at);
    const elapsed = durationText(endMs - Date.parse(job.submitted_at));
    const heading = [
      paint('bold', job.name ?? job.image),
      paint('dim', job.id),
      stateText(output, job.state),
      elapsed,
      ...(job.charged_nano === '0' ? [] : [capaText(job.charged_nano)]),
    ];
    const percent = `${Math.floor((done / Math.max(1, total)) * 100)}%`;
    return [
      heading.join('  '),
      `${barText(output, done / Math.max(1, total), 32)} ${percent.padStart(4)}  ${done} of ${plural(total, 'task')}`,
      this.#counts(output),
      ...this.#pulls(output),
      ...this.#obstacle(output),
    ];
  }

  #counts(output: Output): string {
    const counts = new Map<TaskStateName, number>();
    for (const { state } of this.#tasks.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
    return shownStates
      .filter((state) => (counts.get(state) ?? 0) > 0)
      .map((state) => `${stateSign(output, state)}${counts.get(state) ?? 0} ${state}`)
      .join('   ');
  }

  #pulls(output: Output): readonly string[] {
    const pulling = [...this.#tasks.values()].filter(
      (task) => task.state === 'pulling' && task.pull !== undefined,
    );
    return pulling.slice(0, maxPullLines).map(({ index, pull }) => {
      const share = (pull?.done_bytes ?? 0) / Math.max(1, pull?.total_bytes ?? 0);
      return output.paint('dim', `  task ${index} pulls the image: ${Math.floor(share * 100)}%`);
    });
  }

  #obstacle(output: Output): readonly string[] {
    const { waiting } = this;
    if (waiting === undefined) return [];
    const hint = waiting.hint === '' ? [] : [`  ${plain(waiting.hint)}`];
    return [
      ...wrap(`  ${plain(waiting.message)}`, output.columns - 1).map((line) => output.paint('yellow', line)),
      ...hint.flatMap((line) => wrap(line, output.columns - 1)).map((line) => output.paint('dim', line)),
    ];
  }
}

function taskLine(output: Output, task: TaskView, isSingle: boolean): string {
  const where = task.node === undefined ? '' : ` on ${task.node}`;
  const attempt = task.attempts > 1 ? ` (attempt ${task.attempts})` : '';
  const heading = `${isSingle ? '' : `task ${task.index} `}${stateText(output, task.state)}`;
  switch (task.state) {
    case 'assigned':
    case 'pulling':
    case 'starting':
    case 'running':
    case 'uploading':
    case 'verifying':
      return `${heading}${where}${attempt}`;
    case 'succeeded':
      return `${heading}${attempt}`;
    case 'queued':
    case 'failed':
    case 'cancelled':
    case 'expired':
      return `${heading}${exitText(task)}: ${plain(task.message)}`;
  }
}

/** ` with exit code 7`, or nothing. */
export function exitText(task: Pick<TaskView, 'exit_code'>): string {
  return task.exit_code === undefined ? '' : ` with exit code ${task.exit_code}`;
}
