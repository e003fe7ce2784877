import { type JobId, type TaskId, taskIndexOf } from '@capacloud/protocol/ids';
import { endedTaskStates } from '@capacloud/protocol/routes/states';
import type { TaskView } from '@capacloud/protocol/routes/views';
import type { Client } from '../client.ts';
import { followJob, followLog } from '../follow.ts';
import type { Context } from './context.ts';
import type { LogSink } from './log-sink.ts';

/** Each log that is followed holds a connection. */
const maxFollowed = 32;

export type SinkOf = (task: TaskId, attempt: number) => LogSink;

/** Follows the logs of a job, or of one of its tasks, until it has ended and all of them have arrived. */
export async function followLogs(
  context: Context,
  client: Client,
  sinkOf: SinkOf,
  job: JobId,
  only?: TaskId,
): Promise<void> {
  const follower = new LogFollower(context, client, sinkOf);
  try {
    for await (const change of followJob(client, job, { signal: follower.signal })) {
      if (change.kind !== 'task' || (only !== undefined && change.task.id !== only)) continue;
      follower.note(change.task);
      if (only !== undefined && endedTaskStates.includes(change.task.state)) break;
    }
  } catch (error) {
    throw follower.failure ?? error;
  }
  await follower.settle();
}

export async function followOne(
  client: Client,
  task: TaskId,
  attempt: number,
  sinkOf: SinkOf,
  signal: AbortSignal,
): Promise<void> {
  const sink = sinkOf(task, attempt);
  const onGap = sink.gap.bind(sink);
  for await (const text of followLog(client, task, attempt, { signal, onGap })) sink.write(text);
  sink.end();
}

/** Follows the logs of tasks as it hears of them, each attempt after the one before it. */
export class LogFollower {
  /** Aborts when the command does, or when a log cannot be followed. */
  readonly signal: AbortSignal;
  readonly #context: Context;
  readonly #client: Client;
  readonly #sinkOf: SinkOf;
  readonly #stop = new AbortController();
  readonly #begun = new Map<TaskId, number>();
  readonly #waiting: { readonly task: TaskId; readonly attempt: number }[] = [];
  readonly #running = new Set<Promise<void>>();
  #failure: Error | undefined;

  constructor(context: Context, client: Client, sinkOf: SinkOf) {
    this.#context = context;
    this.#client = client;
    this.#sinkOf = sinkOf;
    this.signal = AbortSignal.any([context.signal, this.#stop.signal]);
  }

  /** Why it stopped by itself. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  note({ id, attempts }: TaskView): void {
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

  /** Resolves when every log that was begun has arrived whole. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #startNext(): void {
    while (this.#running.size < maxFollowed) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const work = followOne(this.#client, next.task, next.attempt, this.#sinkOf, this.signal)
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
