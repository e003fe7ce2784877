import { type JobId, taskIndexOf } from '@capacloud/protocol/ids';
import { endedJobStates } from '@capacloud/protocol/routes/states';
import type { JobView } from '@capacloud/protocol/routes/views';
import { pause } from '@capacloud/waiting/pause';
import type { Client } from '../client.ts';
import { followJob } from '../follow.ts';
import { Interrupted } from './command-error.ts';
import type { Context } from './context.ts';
import { failedTasks, jobExitStatus } from './exit-status.ts';
import { exitText, JobBoard } from './job-board.ts';
import { JobScreen, type LogStyle } from './job-screen.ts';
import { LogFollower } from './log-follower.ts';
import { openSink } from './log-sink.ts';
import { capaText, durationText, plain, plural, stateSign } from './phrases.ts';
import { WaitingNotice } from './waiting-notice.ts';

const shownFailures = 5;
/** Why a job waits is asked for this soon, and then more and more seldom. */
const firstQuestionMs = 2000;
const lastQuestionMs = 30_000;

/**
 * Follows a job to its end and says what happens: a live view on a terminal, a line a change elsewhere, each
 * change as JSON with --json. Logs that are shown are shown to their end. Returns the exit status. Ctrl-C detaches, and
 * the job goes on.
 */
export async function watchJob(
  context: Context,
  client: Client,
  job: JobView,
  logs: LogStyle = 'none',
): Promise<number> {
  try {
    const board = await follow(context, client, job, logs);
    if (!context.json) {
      await report(context, client, board.job, logs);
      tellSkipped(context, board);
    }
    return await jobExitStatus(client, board.job, context.signal);
  } catch (error) {
    if (error instanceof Interrupted) sayDetached(context, job.id);
    throw error;
  }
}

async function follow(
  plainContext: Context,
  client: Client,
  first: JobView,
  logs: LogStyle,
): Promise<JobBoard> {
  const board = new JobBoard(first);
  const screen = new JobScreen(plainContext, board, logs);
  const { context } = screen;
  const { terminal, json } = context;
  const follower = new LogFollower(context, client, (task, attempt) =>
    openSink(context, task, attempt, logs === 'lines'),
  );
  const ended = new AbortController();
  void askWhyItWaits(screen, client, board, AbortSignal.any([context.signal, ended.signal]));
  let isLost = false;
  try {
    const changes = followJob(client, first.id, {
      signal: context.signal,
      onReconnect: () => {
        if (!isLost && !screen.isLive) context.say('connection lost; trying again');
        isLost = true;
      },
    });
    for await (const change of changes) {
      isLost = false;
      if (json) context.writeJson(change);
      if (logs !== 'none' && change.kind === 'task') follower.note(change.task);
      const line = board.apply(change, terminal.err);
      if (screen.isLive) screen.redraw();
      else if (line !== undefined && !json) context.say(line);
    }
    await settle(follower, context, first.id);
  } finally {
    ended.abort();
    screen.end();
  }
  if (!endedJobStates.includes(board.job.state))
    throw new Error('the stream of events ended before the job did');
  return board;
}

/** How the job ended counts, also where its log cannot be shown. */
async function settle(follower: LogFollower, context: Context, job: JobId): Promise<void> {
  try {
    await follower.settle();
  } catch (error) {
    context.signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    context.say(`The log could not be read to its end: ${plain(why)} Try capacloud logs ${job}.`);
  }
}

/** No event tells that a job waits for another reason than before, so that must be asked for. Ends with the signal. */
async function askWhyItWaits(
  screen: JobScreen,
  client: Client,
  board: JobBoard,
  signal: AbortSignal,
): Promise<void> {
  const { context } = screen;
  const notice = new WaitingNotice(Date.now());
  const query = { state: 'queued', limit: 1 } as const;
  for (let afterMs = firstQuestionMs; ; afterMs = Math.min(2 * afterMs, lastQuestionMs)) {
    try {
      await pause(afterMs, signal);
      if (board.job.tasks.active > 0 || board.job.tasks.queued === 0) continue;
      const { items } = await client.call('listTasks', { params: { job: board.job.id }, query, signal });
      if (items[0] !== undefined) board.noteWaiting(items[0]);
    } catch {
      if (signal.aborted) return;
      continue;
    }
    const { waiting } = board;
    if (screen.isLive) screen.redraw();
    else if (waiting !== undefined && !context.json) {
      const line = notice.lineAt(waiting, Date.now());
      if (line !== undefined) context.say(line);
    }
  }
}

async function report(context: Context, client: Client, job: JobView, logs: LogStyle): Promise<void> {
  const { err } = context.terminal;
  const tookMs = Date.parse(job.ended_at ?? job.submitted_at) - Date.parse(job.submitted_at);
  const { total, failed } = job.tasks;
  const failures = await failedTasks(client, job, shownFailures, context.signal);
  const tasks = failed > 0 ? `${failed} of ${plural(total, 'task')} failed` : plural(total, 'task');
  const outcome = total === 1 ? failures.map(exitText).join('') : `: ${tasks}`;
  const name = err.paint('bold', plain(job.name ?? job.id));
  context.say(
    `${stateSign(err, job.state)}${name} ${job.state}${outcome}, ${durationText(tookMs)}, ${capaText(job.charged_nano)}`,
  );
  for (const task of failures) {
    const heading = total === 1 ? '' : `task ${task.index} failed${exitText(task)}: `;
    context.say(`  ${heading}${plain(task.message)}`);
    // The log was just there.
    if (task.hint !== '' && !(logs === 'whole' && task.reason === 'exit_nonzero'))
      context.say(err.paint('dim', `    ${plain(task.hint).replace('TASK', task.id)}`));
  }
  if (failed > failures.length)
    context.say(err.paint('dim', `  and ${failed - failures.length} more: capacloud status ${job.id}`));
}

function tellSkipped(context: Context, { job, skippedOutputs }: JobBoard): void {
  for (const [task, count] of [...skippedOutputs].slice(0, shownFailures)) {
    const whose = job.tasks.total === 1 ? '' : ` of task ${taskIndexOf(task)}`;
    context.say(
      `  ${plural(count, 'output')}${whose} could not be kept: capacloud status ${task} says which, and why`,
    );
  }
  const more = skippedOutputs.size - shownFailures;
  if (more > 0) context.say(`  and of ${plural(more, 'more task')}`);
}

function sayDetached(context: Context, job: JobId): void {
  const { err } = context.terminal;
  context.say(`Detached; ${job} goes on.`);
  context.say(err.paint('dim', `  come back:  capacloud wait ${job}`));
  context.say(err.paint('dim', `  stop it:    capacloud cancel ${job}`));
}
