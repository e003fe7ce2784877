import { type JobId, jobIdOf, type TaskId, taskIndexOf } from '@capacloud/protocol/ids';
import { endedTaskStates, type TaskView } from '@capacloud/protocol/views';
import { type Command, InvalidArgumentError } from 'commander';
import { readBody } from '../../body.ts';
import type { Client } from '../../client.ts';
import { followJob, followLog } from '../../follow.ts';
import { listAll } from '../../pages.ts';
import { Interrupted } from '../command-error.ts';
import { type Context, parseJobOrTaskId } from '../context.ts';
import { type LogSink, openSink } from '../log-sink.ts';
import type { Runner } from './verb.ts';

/** Each log that is followed holds a connection. */
const maxFollowed = 32;

interface LogsOptions {
  readonly follow?: boolean;
  readonly attempt?: number;
}

export function addLogs(program: Command, runner: Runner): void {
  program
    .command('logs')
    .description('output of a task, or of all tasks of a job')
    .argument('<id>', 'task or job id')
    .option('-f, --follow', 'go on as it comes, over retries, until the task or the job has ended')
    .option('--attempt <number>', 'of a task: this attempt instead of the latest', parseAttempt)
    .action(runner(logs));
}

function parseAttempt(text: string): number {
  const attempt = Number(text);
  if (!Number.isInteger(attempt) || attempt < 1 || attempt > 10_000)
    throw new InvalidArgumentError('Attempts are counted from 1.');
  return attempt;
}

async function logs(context: Context, idText: string, options: LogsOptions): Promise<undefined> {
  const asked = parseJobOrTaskId(idText);
  const client = await context.client();
  const { signal } = context;
  try {
    if (asked.kind === 'job') {
      const job = await client.call('getJob', { params: { job: asked.id }, signal });
      const sinkOf = (task: TaskId, attempt: number) => openSink(context, task, attempt, job.tasks.total > 1);
      if (options.follow === true) await new LogFollower(context, client, sinkOf).follow(asked.id);
      else await jobLogs(context, client, asked.id, sinkOf);
      return;
    }
    const task = await client.call('getTask', { params: { task: asked.id }, signal });
    const sinkOf = (id: TaskId, attempt: number) => openSink(context, id, attempt, false);
    const { attempt } = options;
    if (options.follow !== true) await printLog(context, client, task, attempt ?? task.attempts, sinkOf);
    else if (attempt !== undefined) await followOne(client, task.id, attempt, sinkOf, signal);
    else await new LogFollower(context, client, sinkOf).follow(jobIdOf(task.id), task.id);
  } catch (error) {
    if (error instanceof Interrupted && options.follow === true)
      context.say(`Detached; come back with capacloud logs -f ${asked.id}`);
    throw error;
  }
}

type SinkOf = (task: TaskId, attempt: number) => LogSink;

async function jobLogs(context: Context, client: Client, job: JobId, sinkOf: SinkOf): Promise<void> {
  const { signal } = context;
  const tasks = listAll(client, 'listTasks', { params: { job }, query: { limit: 100 }, signal });
  for await (const task of tasks)
    if (task.attempts > 0) await printLog(context, client, task, task.attempts, sinkOf);
}

async function printLog(
  context: Context,
  client: Client,
  task: TaskView,
  attempt: number,
  sinkOf: SinkOf,
): Promise<void> {
  if (attempt === 0) {
    context.say(`${task.id} has not started yet: ${task.message}`);
    return;
  }
  const response = await client.open('followLog', {
    params: { task: task.id, attempt },
    headers: { accept: 'text/plain' },
    signal: context.signal,
  });
  const sink = sinkOf(task.id, attempt);
  const decoder = new TextDecoder();
  for await (const chunk of readBody(response.body, context.signal))
    sink.write(decoder.decode(chunk, { stream: true }));
  sink.end();
}

async function followOne(
  client: Client,
  task: TaskId,
  attempt: number,
  sinkOf: SinkOf,
  signal: AbortSignal,
): Promise<void> {
  const sink = sinkOf(task, attempt);
  for await (const text of followLog(client, task, attempt, { signal })) sink.write(text);
  sink.end();
}

/** Follows the logs of tasks as they start, each attempt after the one before it. */
class LogFollower {
  readonly #context: Context;
  readonly #client: Client;
  readonly #sinkOf: SinkOf;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #begun = new Map<TaskId, number>();
  readonly #waiting: { readonly task: TaskId; readonly attempt: number }[] = [];
  readonly #running = new Set<Promise<void>>();
  #failure: Error | undefined;

  constructor(context: Context, client: Client, sinkOf: SinkOf) {
    this.#context = context;
    this.#client = client;
    this.#sinkOf = sinkOf;
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal]);
  }

  async follow(job: JobId, only?: TaskId): Promise<void> {
    try {
      for await (const change of followJob(this.#client, job, { signal: this.#signal })) {
        if (change.kind !== 'task' || (only !== undefined && change.task.id !== only)) continue;
        this.#note(change.task);
        if (only !== undefined && endedTaskStates.includes(change.task.state)) break;
      }
      while (this.#running.size > 0) await Promise.race(this.#running);
    } catch (error) {
      throw this.#failure ?? error;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #note({ id, attempts }: TaskView): void {
    // Of a task that was tried before we came, only the latest attempt is of interest.
    const begun = this.#begun.get(id) ?? attempts - 1;
    for (let attempt = Math.max(1, begun + 1); attempt <= attempts; attempt++) {
      if (begun > 0 && this.#context.terminal.err.isTty)
        this.#context.say(
          this.#context.terminal.err.paint('dim', `task ${taskIndexOf(id)}: attempt ${attempt}`),
        );
      this.#waiting.push({ task: id, attempt });
    }
    if (attempts > 0) this.#begun.set(id, attempts);
    this.#startNext();
  }

  #startNext(): void {
    while (this.#running.size < maxFollowed) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const work = followOne(this.#client, next.task, next.attempt, this.#sinkOf, this.#signal)
        .catch((error: unknown) => {
          this.#failure ??= error instanceof Error ? error : new Error(String(error));
          this.#stop.abort(this.#failure);
        })
        .finally(() => {
          this.#running.delete(work);
          if (this.#failure === undefined) this.#startNext();
        });
      this.#running.add(work);
    }
  }
}
