import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { accept, type Result } from '@capacloud/protocol/result';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { KeyedQueue } from '@capacloud/waiting/keyed-queue';
import {
  type AttemptKey,
  attemptKeyText,
  type ClaimStart,
  type CollectedFile,
  type CollectedOutputs,
  EngineUnavailable,
  type LogChunk,
  type ObservedAttempt,
  type PlacedArchive,
  type PlacedInput,
  type PullProgress,
  type Runtime,
  type RuntimeFailure,
} from '../core/ports.ts';
import { type Sentence, say } from '../core/sentence.ts';
import { containerName, keeperName } from '../engine/attempt-names.ts';
import { waitForEnd } from '../engine/containers.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { ofStopped } from '../features/list.ts';
import { followLog, LogPositions } from '../features/logs/log-follow.ts';
import { planAttempt } from '../features/of-assignment.ts';
import { OutputCollector } from '../features/outputs/output-collect.ts';
import type { ImageRoom } from '../images/image-room.ts';
import type { ImageStore } from '../images/image-store.ts';
import { openImages } from '../images/open-images.ts';
import { loopScratch } from '../scratch/loop-scratch.ts';
import { memoryScratch } from '../scratch/memory-scratch.ts';
import type { MountPlan } from '../scratch/mount-plan.ts';
import { isScratchNew } from '../scratch/scratch-age.ts';
import { measureScratch } from '../scratch/scratch-usage.ts';
import { type HeldParts, listAttempts, removeAttempt } from './attempt-cleanup.ts';
import { startAttempt, stopAttempt } from './attempt-control.ts';
import { inspectAttempt } from './attempt-inspection.ts';
import { AttemptNotes } from './attempt-notes.ts';
import { setUpAttempt } from './attempt-setup.ts';
import { CgroupWatch } from './cgroup-evidence.ts';
import type { ContainerPolicy } from './container-profile.ts';
import { ImageLayouts } from './image-layout.ts';
import { KnownPrograms } from './known-programs.ts';
import type { DockerRuntimeOptions } from './runtime-options.ts';
import type { TakeUid } from './task-user.ts';

const unansweredStartMs = 10_000;
const waitMs = 60_000;
const firstRetryMs = 100;
const lastRetryMs = 5000;
const inspectionsAtOnce = 8;
/** The executor takes one step of an attempt at a time; a stop and a removal may wait beside it. */
const maxStepsPerAttempt = 64;

export function createDockerRuntime(options: DockerRuntimeOptions): Runtime {
  return new DockerRuntime(options);
}

class DockerRuntime implements Runtime {
  readonly #engine: Engine;
  readonly #unansweredStartMs: number;
  readonly #held: HeldParts;
  readonly #policy: ContainerPolicy;
  readonly #takeUid: TakeUid;
  readonly #images: ImageStore;
  readonly #room: ImageRoom;
  readonly #layouts = new ImageLayouts();
  readonly #positions: LogPositions;
  readonly #queue = new KeyedQueue(maxStepsPerAttempt);
  readonly #notes = new Map<string, AttemptNotes>();
  readonly #programs = new KnownPrograms();

  constructor(options: DockerRuntimeOptions) {
    this.#engine = openEngine(options.socketPath);
    this.#unansweredStartMs = options.unansweredStartMs ?? unansweredStartMs;
    this.#policy = options.policy;
    this.#takeUid = options.takeUid;
    const scratch =
      options.scratch === 'loop' ? loopScratch(join(options.stateDir, 'scratch')) : memoryScratch;
    this.#held = { engine: this.#engine, owner: options.owner, scratch };
    const { images, room } = openImages(this.#engine, options);
    this.#images = images;
    this.#room = room;
    this.#positions = new LogPositions(join(options.stateDir, 'log-positions'));
  }

  async ping(
    signal: AbortSignal,
  ): Promise<{ readonly version: string; readonly runtimes: readonly string[] }> {
    const info = await this.#engine.info(signal);
    return { version: info.ServerVersion, runtimes: Object.keys(info.Runtimes ?? {}) };
  }

  async observe(signal: AbortSignal): Promise<readonly ObservedAttempt[]> {
    const found = [...(await listAttempts(this.#held, signal))];
    // The engine answers, and this comes every half a minute.
    void this.#room.tidy(signal);
    const observed: ObservedAttempt[] = [];
    while (found.length > 0) {
      const batch = found.splice(0, inspectionsAtOnce);
      observed.push(
        ...(await Promise.all(
          batch.map(async ({ key, scratch }) => ({ ...(await this.#inspect(key, signal)), scratch })),
        )),
      );
    }
    return observed;
  }

  async pull(
    assignment: Assignment,
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<Result<{ readonly image: string }, RuntimeFailure>> {
    return await this.#images.pull(assignment.image, onProgress, signal);
  }

  async prepare(
    assignment: Assignment,
    inputs: readonly PlacedInput[],
    signal: AbortSignal,
    saved?: PlacedArchive,
  ): Promise<Result<void, RuntimeFailure>> {
    const parts = {
      ...this.#held,
      policy: this.#policy,
      takeUid: this.#takeUid,
      images: this.#images,
      layouts: this.#layouts,
    };
    return await this.#queue.run(attemptKeyText(assignment), () =>
      setUpAttempt(parts, assignment, { inputs, saved }, signal),
    );
  }

  async start(
    assignment: Assignment,
    claim: ClaimStart,
    signal: AbortSignal,
  ): Promise<Result<void, RuntimeFailure>> {
    return await this.#queue.run(attemptKeyText(assignment), async () => {
      const parts = {
        engine: this.#engine,
        known: this.#programs,
        claim,
        unansweredStartMs: this.#unansweredStartMs,
      };
      const started = await startAttempt(parts, assignment, signal);
      if (started.ok) await this.#watch(assignment, signal);
      return started;
    });
  }

  async wait(key: AttemptKey, signal: AbortSignal): Promise<ObservedAttempt> {
    let retryMs = firstRetryMs;
    for (;;) {
      signal.throwIfAborted();
      try {
        const seen = await inspectAttempt(this.#engine, key, this.#noteOf(key), signal);
        if (seen.container === 'absent')
          return { ...seen, engineLost: true, engineError: say`The container engine lost the container.` };
        if (seen.container !== 'running') {
          this.#noteOf(key).watch?.close();
          return seen;
        }
        await this.#watch(key, signal);
        retryMs = firstRetryMs;
        await waitForEnd(this.#engine, containerName(key), waitMs, signal);
      } catch (error) {
        if (!(error instanceof EngineUnavailable)) throw error;
        await delay(retryMs, undefined, { signal });
        retryMs = Math.min(lastRetryMs, retryMs * 2);
      }
    }
  }

  async followLogs(
    key: AttemptKey,
    skipBytes: number,
    sink: (chunk: LogChunk) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    await followLog(this.#engine, key, { skipBytes, positions: this.#positions, sink }, signal);
  }

  async stop(key: AttemptKey, graceMs: number, signal: AbortSignal): Promise<void> {
    this.#noteOf(key).stopAsked = true;
    await stopAttempt(this.#engine, key, graceMs, signal);
  }

  async collect(
    assignment: Assignment,
    intoDir: string,
    signal: AbortSignal,
  ): Promise<Result<CollectedOutputs, RuntimeFailure>> {
    const keeper = keeperName(assignment);
    const plan = planAttempt(assignment);
    const lost = await this.#lossOfScratch(assignment, plan, signal);
    if (lost !== undefined) return { ok: false, refusal: { reason: 'engine_lost', message: lost } };
    const usage = await measureScratch(this.#engine, keeper, plan.scratch, signal);
    const collector = new OutputCollector(this.#engine, keeper, intoDir);
    const kept = await collector.collect(assignment, plan.scratch, signal);
    return accept({ ...kept, scratchUsedBytes: usage.usedBytes, scratchFull: usage.full });
  }

  async save(
    assignment: Assignment,
    intoFile: string,
    signal: AbortSignal,
  ): Promise<Result<CollectedFile | undefined, RuntimeFailure>> {
    if (!ofStopped.saves(assignment)) return accept(undefined);
    const plan = planAttempt(assignment);
    const lost = await this.#lossOfScratch(assignment, plan, signal);
    if (lost !== undefined) return { ok: false, refusal: { reason: 'engine_lost', message: lost } };
    return await ofStopped.save({ engine: this.#engine, assignment, plan, intoFile }, signal);
  }

  /** Why nothing can be read from the scratch of an ended task; undefined when it can. */
  async #lossOfScratch(
    assignment: Assignment,
    plan: MountPlan,
    signal: AbortSignal,
  ): Promise<Sentence | undefined> {
    const keeper = keeperName(assignment);
    const info = await this.#engine.inspectContainer(keeper, signal);
    if (info?.State.Running !== true)
      return say`The container engine stopped before the outputs were collected.`;
    const [scratch] = plan.scratch;
    const task = await this.#engine.inspectContainer(containerName(assignment), signal);
    const endedAt = task?.State.FinishedAt;
    const isLost =
      scratch !== undefined &&
      endedAt !== undefined &&
      (await isScratchNew(this.#engine, { container: keeper, path: scratch.keeperPath }, endedAt, signal));
    return isLost ? say`The container engine restarted under the task, and lost the scratch.` : undefined;
  }

  pidsExhausted(key: AttemptKey): boolean {
    return this.#notes.get(attemptKeyText(key))?.evidence.pidsExhausted === true;
  }

  async remove(key: AttemptKey, signal: AbortSignal): Promise<void> {
    await this.#queue.run(attemptKeyText(key), async () => {
      this.#notes.get(attemptKeyText(key))?.watch?.close();
      await removeAttempt(this.#held, key, signal);
      await this.#positions.drop(key);
      this.#notes.delete(attemptKeyText(key));
    });
  }

  #noteOf(key: AttemptKey): AttemptNotes {
    const text = attemptKeyText(key);
    const notes = this.#notes.get(text) ?? new AttemptNotes();
    this.#notes.set(text, notes);
    return notes;
  }

  async #inspect(key: AttemptKey, signal: AbortSignal): Promise<ObservedAttempt> {
    return await inspectAttempt(
      this.#engine,
      key,
      this.#notes.get(attemptKeyText(key)) ?? new AttemptNotes(),
      signal,
    );
  }

  /** Begins to watch the cgroup of a running container, once. */
  async #watch(key: AttemptKey, signal: AbortSignal): Promise<void> {
    const notes = this.#noteOf({ task: key.task, attempt: key.attempt });
    if (notes.watch !== undefined) return;
    const info = await this.#engine.inspectContainer(containerName(key), signal);
    if (info === undefined || !info.State.Running) return;
    notes.watch = await CgroupWatch.open(this.#engine, info.Id, info.State.Pid);
  }
}
