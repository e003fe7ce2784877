import { dirname, join } from 'node:path';
import {
  type AttemptKey,
  attemptKeyText,
  type ClaimStart,
  type CollectedFile,
  type CollectedOutputs,
  EngineUnavailable,
  type LogChunk,
  type ObservedAttempt,
  type Runtime,
  type RuntimeFailure,
} from '@capacloud/agent/core/ports';
import { own, say } from '@capacloud/agent/core/sentence';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import type { Result } from '@capacloud/protocol/result';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { Actor } from '../kernel/actor.ts';
import { disk, writeAt } from '../kernel/disk.ts';
import { kernel } from '../kernel/kernel.ts';
import { hashText } from '../kernel/prng.ts';
import type { SimulatedEngine } from './engine.ts';

/** Every call of the real one has a deadline: a hanging engine counts as unreachable after it. */
const callDeadlineMs = 30_000;

/** The agent's way to the engine of its machine, for one life of the agent. */
export class SimulatedRuntime implements Runtime {
  readonly #engine: SimulatedEngine;
  readonly #actor: Actor;
  readonly #arch: string;

  constructor(engine: SimulatedEngine, actor: Actor, arch: string) {
    this.#engine = engine;
    this.#actor = actor;
    this.#arch = arch;
  }

  ping(signal: AbortSignal) {
    return this.#call('ping', 1, signal, () => ({ version: '28.0', runtimes: [] }));
  }

  observe(signal: AbortSignal): Promise<readonly ObservedAttempt[]> {
    return this.#call('observe', 4, signal, () =>
      [...this.#engine.containers.values()].map(({ state }) => state),
    );
  }

  async pull(
    assignment: Assignment,
    onProgress: (progress: { doneBytes: number; totalBytes: number }) => void,
    signal: AbortSignal,
  ): Promise<Result<{ readonly image: string }, RuntimeFailure>> {
    const { image } = assignment;
    const totalBytes = 10_000_000;
    await this.#call('pull', 30, signal, () => onProgress({ doneBytes: totalBytes / 3, totalBytes }));
    const meanMs = image === 'large' ? 10_000 : 200;
    const [, madeFor] = /^made-for-(.+)$/.exec(image) ?? [];
    if (madeFor !== undefined && madeFor !== this.#arch) {
      const refusal = { reason: 'image_wrong_platform', message: say`It runs on ${own(madeFor)}.` } as const;
      return { ok: false, refusal: { ...refusal, imageRunsOn: [madeFor] } };
    }
    const [, share] = /^refused-by-([0-9]+)$/.exec(image) ?? [];
    if (share !== undefined && hashText(this.#actor.name, 0) % 100 < Number(share)) {
      const message = say`The owner of the node does not allow the registry of the image.`;
      return { ok: false, refusal: { reason: 'registry_not_allowed', message } };
    }
    const [, large] = /^too-large-for-([0-9]+)$/.exec(image) ?? [];
    if (large !== undefined && hashText(this.#actor.name, 1) % 100 < Number(large)) {
      const message = say`The image is larger than what the node gives to images.`;
      return { ok: false, refusal: { reason: 'image_too_large', message } };
    }
    if (image === 'unreachable') {
      const message = say`The registry of the image could not be reached.`;
      return { ok: false, refusal: { reason: 'registry_failed', message } };
    }
    const pulled = await this.#call('pull', meanMs, signal, () => image !== 'missing');
    if (pulled) return { ok: true, value: { image: `sha256:${image}` } };
    return { ok: false, refusal: { reason: 'image_not_found', message: say`There is no such image.` } };
  }

  prepare(assignment: Assignment, _: unknown, signal: AbortSignal): Promise<Result<void, RuntimeFailure>> {
    return this.#call('prepare', 60, signal, () => {
      this.#engine.create(assignment);
      return done;
    });
  }

  async start(
    { task, attempt }: Assignment,
    claim: ClaimStart,
    signal: AbortSignal,
  ): Promise<Result<void, RuntimeFailure>> {
    const key = { task, attempt };
    const { container } = await this.#call('inspect', 1, signal, () => this.#stateOf(key));
    if (container === 'absent')
      return { ok: false, refusal: { reason: 'start_failed', message: say`There is no such container.` } };
    if (container !== 'created') return done;
    if (!claim())
      return { ok: false, refusal: { reason: 'engine_lost', message: say`The engine forgot the start.` } };
    return await this.#call('start', 80, signal, () => {
      if (this.#engine.start(key)) return done;
      return { ok: false, refusal: { reason: 'agent_failed', message: say`It cannot be started.` } };
    });
  }

  async wait(key: AttemptKey, signal: AbortSignal): Promise<ObservedAttempt> {
    for (;;) {
      try {
        const seen = await this.#call('wait', 1, signal, () => this.#stateOf(key));
        if (seen.container !== 'running') return seen;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof EngineUnavailable)) throw error;
      }
      await this.#change(key, signal);
    }
  }

  async followLogs(
    key: AttemptKey,
    skipBytes: number,
    sink: (chunk: LogChunk) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.wait(key, signal);
    const bytes = Buffer.from(`${attemptKeyText(key)} says that it is done\n`).subarray(skipBytes);
    if (bytes.length > 0) await sink({ stream: 'stdout', bytes });
  }

  async stop(key: AttemptKey, graceMs: number, signal: AbortSignal): Promise<void> {
    await this.#call('stop', 5, signal, () => this.#engine.terminate(key, graceMs));
    await this.wait(key, signal);
  }

  collect(
    assignment: Assignment,
    intoDir: string,
    signal: AbortSignal,
  ): Promise<Result<CollectedOutputs, RuntimeFailure>> {
    return this.#call('collect', 20, signal, () => {
      const container = this.#engine.containers.get(attemptKeyText(assignment));
      const files: CollectedOutputs['files'][number][] = [];
      if (assignment.outputs.length > 0) {
        if (container === undefined)
          return { ok: false, refusal: { reason: 'output_missing', message: say`The container is gone.` } };
        const localPath = join(intoDir, '0');
        const bytes = Buffer.from(container.output);
        disk().makeFolder(intoDir);
        writeAt(disk().write(localPath, 'w'), bytes, 0);
        const path = `${assignment.outputs[0]?.path ?? ''}/result`;
        files.push({ path, localPath, sizeBytes: bytes.length, sha256: sha256Hex(container.output) });
      }
      return { ok: true, value: { files, scratchUsedBytes: 0, scratchFull: false } };
    });
  }

  /** What the container has written stands for all that is in its folder. */
  save(
    assignment: Assignment,
    intoFile: string,
    signal: AbortSignal,
  ): Promise<Result<CollectedFile | undefined, RuntimeFailure>> {
    return this.#call('save', 20, signal, () => {
      const container = this.#engine.containers.get(attemptKeyText(assignment));
      if (container === undefined || assignment.checkpoint === undefined)
        return { ok: true, value: undefined };
      const bytes = Buffer.from(container.output);
      disk().makeFolder(dirname(intoFile));
      writeAt(disk().write(intoFile, 'w'), bytes, 0);
      const { path } = assignment.checkpoint;
      const saved = {
        path,
        localPath: intoFile,
        sizeBytes: bytes.length,
        sha256: sha256Hex(container.output),
      };
      return { ok: true, value: saved };
    });
  }

  pidsExhausted(): boolean {
    return false;
  }

  remove(key: AttemptKey, signal: AbortSignal): Promise<void> {
    return this.#call('remove', 15, signal, () => this.#engine.remove(key));
  }

  #stateOf(key: AttemptKey): ObservedAttempt {
    const found = this.#engine.containers.get(attemptKeyText(key));
    return found?.state ?? { key, container: 'absent', oomKilled: false, scratch: false };
  }

  /** Resolves when something of the engine changed that may concern this container. */
  #change(key: AttemptKey, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = this.#engine.onChange(() => {
        if (this.#engine.mood !== 'well' || this.#stateOf(key).container === 'running') return;
        stop();
        signal.removeEventListener('abort', abort);
        kernel().schedule(0.5, this.#actor, `engine tells ${attemptKeyText(key)}`, resolve);
      });
      const abort = () => {
        stop();
        reject(signal.reason as Error);
      };
      this.#actor.onEnd(stop);
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      else if (this.#engine.mood === 'well' && this.#stateOf(key).container !== 'running') {
        stop();
        signal.removeEventListener('abort', abort);
        resolve();
      }
    });
  }

  /** The engine does it half-way through, whoever lives to hear of it. */
  #call<T>(what: string, meanMs: number, signal: AbortSignal, work: () => T): Promise<T> {
    this.#actor.effect();
    const engine = this.#engine;
    const halfMs = this.#actor.random.between(0.3, 0.7) * meanMs;
    return new Promise((resolve, reject) => {
      const answer = (afterMs: number, told: () => void) => {
        kernel().schedule(afterMs, this.#actor, `engine ${what}`, told);
      };
      const unavailable = () => reject(new EngineUnavailable(`the engine did not answer ${what}`));
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      if (signal.aborted) return reject(signal.reason as Error);
      if (engine.mood === 'gone') return answer(1, unavailable);
      if (engine.mood === 'hanging') return answer(callDeadlineMs, unavailable);
      kernel().schedule(halfMs, kernel().nature, `engine does ${what}`, () => {
        if (engine.mood !== 'well') return answer(engine.mood === 'gone' ? 1 : callDeadlineMs, unavailable);
        const value = work();
        // It may have ended in the middle of what it did.
        if (this.#engine.mood === 'gone') return answer(1, unavailable);
        answer(halfMs, () => resolve(value));
      });
    });
  }
}

const done = { ok: true, value: undefined } as const;
