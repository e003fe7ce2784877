import type { JobId, TaskId } from '@capacloud/protocol/ids';
import { endedJobStates } from '@capacloud/protocol/routes/states';
import type { JobView, TaskView } from '@capacloud/protocol/routes/views';
import { pause } from '@capacloud/waiting/pause';
import { ApiError } from './api-error.ts';
import { readBody } from './body.ts';
import type { CallOptions, Client } from './client.ts';
import { parseEvents, type ServerEvent } from './sse.ts';

export type JobChange =
  | { readonly kind: 'task'; readonly task: TaskView }
  | { readonly kind: 'job'; readonly job: JobView };

export interface FollowOptions {
  readonly signal?: AbortSignal;
  /** The stream broke and is taken up again; `error` is undefined when the coordinator ended it. */
  readonly onReconnect?: (error: unknown) => void;
  /** A stream silent for so long is dead: the coordinator sends a comment every 15 s. Default 60 s. */
  readonly silenceMs?: number;
  /** Between connections. Default 1 s. */
  readonly reconnectMs?: number;
}

/** Connections in a row that brought nothing; with the pauses between them more than ten minutes. */
const maxFruitless = 300;

/**
 * Changes of a job and its tasks until it has ended, over as many connections as it takes. The first ones
 * tell how things stand. Ends by itself; stop it earlier through the signal.
 */
export async function* followJob(
  client: Client,
  job: JobId,
  options: FollowOptions = {},
): AsyncGenerator<JobChange> {
  let ended = false;
  for await (const event of follow(client, 'followJob', { params: { job } }, options, () => ended)) {
    if (event.event === 'task') yield { kind: 'task', task: JSON.parse(event.data) as TaskView };
    if (event.event !== 'job') continue;
    const view = JSON.parse(event.data) as JobView;
    // The last words about tasks may come after those about the job: the coordinator ends the stream.
    ended = endedJobStates.includes(view.state);
    yield { kind: 'job', job: view };
  }
}

/** Bytes of an output that a follower is not shown; without `to` the rest follows when the attempt has ended. */
export interface SeenGap {
  readonly from: number;
  readonly to?: number;
}

export interface FollowLogOptions extends FollowOptions {
  /** Of a long output only the beginning and the end are kept: called between the pieces on either side of a gap. */
  readonly onGap?: (gap: SeenGap) => void;
}

/** The output of an attempt as text, until it has ended and all of it has arrived. */
export async function* followLog(
  client: Client,
  task: TaskId,
  attempt: number,
  options: FollowLogOptions = {},
): AsyncGenerator<string> {
  let ended = false;
  const events = follow(client, 'followLog', { params: { task, attempt } }, options, () => ended);
  for await (const event of events) {
    ended = event.event === 'end';
    if (ended) return;
    if (event.event === 'log') yield JSON.parse(event.data) as string;
    if (event.event === 'gap') options.onGap?.(JSON.parse(event.data) as SeenGap);
  }
}

/** Events of a stream; reconnects after the last one seen for as long as the coordinator may come back. */
async function* follow<N extends 'followJob' | 'followLog'>(
  client: Client,
  name: N,
  call: CallOptions<N>,
  options: FollowOptions,
  isOver: () => boolean,
): AsyncGenerator<ServerEvent> {
  const { signal, silenceMs = 60_000, reconnectMs = 1000 } = options;
  let lastId: string | undefined;
  for (let fruitless = 0; ; fruitless++) {
    signal?.throwIfAborted();
    const silence = new Silence(silenceMs, signal);
    let failure: unknown;
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastId !== undefined) headers['last-event-id'] = lastId;
      const response = await client.open(name, { ...call, headers, signal: silence.signal });
      for await (const event of parseEvents(silence.watch(response.body))) {
        if (event.id !== undefined) lastId = event.id;
        fruitless = 0;
        yield event;
      }
    } catch (error) {
      signal?.throwIfAborted();
      // A refusal is final; a broken stream (any other error) is taken up again where it broke.
      if (error instanceof ApiError && !error.retryable) throw error;
      failure = error;
    } finally {
      silence.end();
    }
    if (isOver()) return;
    if (fruitless >= maxFruitless)
      throw new Error('the coordinator does not come back', failure === undefined ? {} : { cause: failure });
    options.onReconnect?.(failure);
    await pause(reconnectMs, signal);
  }
}

/** Aborts when the caller does, and when nothing, not even a heartbeat, came for a while: a peer that vanished says nothing. */
class Silence {
  readonly #abort = new AbortController();
  readonly #limitMs: number;
  readonly #outer: AbortSignal | undefined;
  readonly #onOuter = () => this.#abort.abort(this.#outer?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limitMs: number, outer: AbortSignal | undefined) {
    this.#limitMs = limitMs;
    this.#outer = outer;
    if (outer?.aborted === true) this.#onOuter();
    outer?.addEventListener('abort', this.#onOuter, { once: true });
    this.#restart();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  async *watch(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
    for await (const chunk of readBody(body, this.signal)) {
      // Its consumer may take long over a chunk; that is no silence.
      clearTimeout(this.#timer);
      yield chunk;
      this.#restart();
    }
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#onOuter);
    // Frees the connection when the consumer stopped early.
    this.#abort.abort();
  }

  #restart(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#abort.abort(new Error('the stream fell silent')), this.#limitMs);
  }
}

/** Resolves with the job once it has ended. */
export async function waitForJob(client: Client, job: JobId, options: FollowOptions = {}): Promise<JobView> {
  let last: JobView | undefined;
  for await (const change of followJob(client, job, options)) {
    if (change.kind === 'job') last = change.job;
    if (last !== undefined && endedJobStates.includes(last.state)) return last;
  }
  throw new Error('the event stream of a job ended before the job did');
}
