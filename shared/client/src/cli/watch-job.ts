import type { JobId } from '@capacloud/protocol/ids';
import { endedJobStates, type JobView } from '@capacloud/protocol/views';
import type { Client } from '../client.ts';
import { followJob } from '../follow.ts';
import { Interrupted } from './command-error.ts';
import type { Context } from './context.ts';
import { failedTasks, jobExitStatus } from './exit-status.ts';
import { exitText, JobBoard } from './job-board.ts';
import { LiveRegion, Throttle } from './live-region.ts';
import { capaText, durationText, plain, plural, stateSign } from './phrases.ts';

const shownFailures = 5;

/**
 * Follows a job to its end and says what happens: a live view on a terminal, a line a change elsewhere, each
 * change as JSON with --json. Returns the exit status. Ctrl-C detaches, and the job goes on.
 */
export async function watchJob(context: Context, client: Client, job: JobView): Promise<number> {
  try {
    const ended = await follow(context, client, job);
    if (!context.json) await report(context, client, ended);
    return await jobExitStatus(client, ended, context.signal);
  } catch (error) {
    if (error instanceof Interrupted) sayDetached(context, job.id);
    throw error;
  }
}

async function follow(context: Context, client: Client, first: JobView): Promise<JobView> {
  const { terminal, json } = context;
  const board = new JobBoard(first);
  const region = terminal.isLive && !json ? new LiveRegion(terminal.err) : undefined;
  const throttle = new Throttle(() => region?.draw(board.draw(terminal.err, Date.now())));
  // The elapsed time moves by itself.
  const clock = setInterval(() => throttle.request(), 1000);
  let isLost = false;
  try {
    const changes = followJob(client, first.id, {
      signal: context.signal,
      onReconnect: () => {
        if (!isLost && region === undefined) context.say('connection lost; trying again');
        isLost = true;
      },
    });
    for await (const change of changes) {
      isLost = false;
      if (json) context.writeJson(change);
      const line = board.apply(change, terminal.err);
      if (region !== undefined) throttle.request();
      else if (line !== undefined && !json) context.say(line);
    }
  } finally {
    clearInterval(clock);
    throttle.stop();
    region?.clear();
  }
  if (!endedJobStates.includes(board.job.state))
    throw new Error('the stream of events ended before the job did');
  return board.job;
}

async function report(context: Context, client: Client, job: JobView): Promise<void> {
  const { err } = context.terminal;
  const tookMs = Date.parse(job.ended_at ?? job.submitted_at) - Date.parse(job.submitted_at);
  const { total, failed } = job.tasks;
  const tasks = failed > 0 ? `${failed} of ${plural(total, 'task')} failed` : plural(total, 'task');
  const name = err.paint('bold', job.name ?? job.id);
  context.say(
    `${stateSign(err, job.state)}${name} ${job.state}: ${tasks}, ${durationText(tookMs)}, ${capaText(job.charged_nano)}`,
  );
  const failures = await failedTasks(client, job, shownFailures, context.signal);
  for (const task of failures) {
    context.say(`  task ${task.index} failed${exitText(task)}: ${plain(task.message)}`);
    if (task.hint !== '') context.say(err.paint('dim', `    ${plain(task.hint).replace('TASK', task.id)}`));
  }
  if (failed > failures.length)
    context.say(err.paint('dim', `  and ${failed - failures.length} more: capacloud status ${job.id}`));
}

function sayDetached(context: Context, job: JobId): void {
  const { err } = context.terminal;
  context.say(`Detached; ${job} goes on.`);
  context.say(err.paint('dim', `  come back:  capacloud wait ${job}`));
  context.say(err.paint('dim', `  stop it:    capacloud cancel ${job}`));
}
