import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type AttemptPhase, type AttemptRecord, advance, requestStop } from '../core/attempt-record.ts';
import type { ReportDraft } from '../core/journal-port.ts';
import { evidenceOf, judgeEnding, outcomeOfStop } from '../core/outcome.ts';
import { refusalReason } from '../core/policy.ts';
import { type AttemptKey, attemptKeyText, type PullProgress, type RuntimeFailure } from '../core/ports.ts';
import { runStart } from '../core/run-clock.ts';
import { say } from '../core/sentence.ts';
import type { WorkKind } from '../core/step.ts';
import { StageTimeout, untilEngineAnswers, withClock } from '../features/deadline.ts';
import { ofStopped } from '../features/list.ts';
import { extentOf } from '../features/logs/attempt-logs.ts';
import { artifactsOf, fetchAll } from '../features/of-assignment.ts';
import { uploadOutputs } from '../features/outputs/output-upload.ts';
import type { WorkParts } from '../features/work-parts.ts';
import { TransferRefused } from '../transfer/coordinator-http.ts';
import { runContainer } from './container-run.ts';
import { makeReceipt } from './receipt-maker.ts';
import { claimStart } from './start-claim.ts';
import { noInput, pullTimeout } from './step-failures.ts';

/** Longest wait for the rest of the log before the end of an attempt is reported without it; it follows later. */
const logFlushMs = 5000;
/** The same for a long log, whose end is sent only now: it is what tells why a run failed. */
const longLogFlushMs = 30_000;

type Saving = NonNullable<AttemptRecord['saving']>;

/** Does one piece of work and moves the attempt on. May be aborted anywhere and done again. */
export type WorkHandler = (record: AttemptRecord, signal: AbortSignal) => Promise<void>;

/** The work of an attempt, by kind. Every kind has its handler, or this does not compile. */
export class AttemptWork {
  readonly #parts: WorkParts;
  readonly handlers: Readonly<Record<WorkKind, WorkHandler>> = {
    pull: (record, signal) => this.#pull(record, signal),
    'fetch-inputs': (record, signal) => this.#fetchInputs(record, signal),
    prepare: (record, signal) => this.#prepare(record, signal),
    start: (record, signal) => this.#start(record, signal),
    adopt: (record, signal) => this.#adopt(record, signal),
    abandon: (record, signal) => this.#abandon(record, signal),
    collect: (record, signal) => this.#collect(record, signal),
    upload: (record, signal) => this.#upload(record, signal),
    report: (record, signal) => this.#report(record, signal),
    clean: (record, signal) => this.#clean(record, signal),
  };

  constructor(parts: WorkParts) {
    this.#parts = parts;
  }

  /**
   * Ends an attempt with an outcome, whatever it was doing. One that has failed or was stopped stays so, with or without what
   * was to be saved of it.
   */
  fail(key: AttemptKey, { reason, message, imageRunsOn, detail }: RuntimeFailure): void {
    // What the engine or a registry said stays here.
    if (detail !== undefined) this.#parts.log.warn({ attempt: attemptKeyText(key), reason, detail }, message);
    const outcome = this.#parts.journal.attempt(key)?.outcome;
    const failed = outcome?.reason === 'completed' ? undefined : outcome;
    const ending = { reason, message, ...(imageRunsOn === undefined ? {} : { imageRunsOn }) };
    this.#move(key, 'reporting', { outcome: failed ?? ending, files: [], links: [] });
  }

  /** Applied to the record as it is now: a stop may have been noted while the work went on. */
  #move(
    key: AttemptKey,
    to: AttemptPhase,
    change: Parameters<typeof advance>[2] = {},
    reports: readonly ReportDraft[] = [],
  ): void {
    const current = this.#parts.journal.attempt(key);
    if (current === undefined) throw new Error('the journal lost an attempt that is worked on');
    this.#parts.journal.save(advance(current, to, change), reports);
    this.#parts.onChange();
  }

  #stage(key: AttemptKey, stage: 'starting' | 'running' | 'uploading'): ReportDraft {
    return { kind: 'progress', task: key.task, attempt: key.attempt, stage, atMs: this.#parts.clock.nowMs() };
  }

  async #pull(record: AttemptRecord, signal: AbortSignal): Promise<void> {
    const { runtime, onPull } = this.#parts;
    const { key, assignment } = record;
    let stage: PullProgress['stage'];
    const onProgress = (progress: PullProgress) => {
      ({ stage } = progress);
      onPull(key, progress);
    };
    try {
      const pulled = await withClock(assignment.pullTimeoutMs, signal, (limit) =>
        untilEngineAnswers(limit, () => runtime.pull(assignment, onProgress, limit)),
      );
      if (!pulled.ok) return this.fail(key, pulled.refusal);
      this.#move(key, 'fetching', { image: pulled.value.image });
    } catch (error) {
      if (!(error instanceof StageTimeout)) throw error;
      this.fail(key, pullTimeout(assignment.pullTimeoutMs, stage));
    }
  }

  async #fetchInputs(record: AttemptRecord, signal: AbortSignal): Promise<void> {
    const { access } = this.#parts;
    const { key, assignment } = record;
    try {
      await withClock(
        assignment.pullTimeoutMs,
        signal,
        (limit) => fetchAll(this.#parts, record, limit),
        () => access.token() !== undefined,
      );
      this.#move(key, 'preparing');
    } catch (error) {
      if (!(error instanceof StageTimeout || error instanceof TransferRefused)) throw error;
      this.fail(key, noInput(error));
    }
  }

  async #prepare(record: AttemptRecord, signal: AbortSignal): Promise<void> {
    const { inputs, offer, runtime } = this.#parts;
    const { key, assignment } = record;
    const refusal = refusalReason(assignment, offer());
    if (refusal !== undefined) return this.fail(key, { reason: 'refused', message: refusal });
    const placed = assignment.inputs.map(({ sha256, target }) => ({
      target,
      localPath: inputs.pathOf(sha256),
    }));
    try {
      const prepared = await withClock(assignment.startTimeoutMs, signal, async (limit) => {
        // After a restart the cache may have been trimmed or lost.
        const saved = await fetchAll(this.#parts, record, limit);
        return untilEngineAnswers(limit, () => runtime.prepare(assignment, placed, limit, saved));
      });
      if (!prepared.ok) return this.fail(key, prepared.refusal);
      this.#move(key, 'starting', {}, [this.#stage(key, 'starting')]);
    } catch (error) {
      if (error instanceof StageTimeout) return this.#startTimeout(record);
      if (!(error instanceof TransferRefused)) throw error;
      this.fail(key, noInput(error));
    }
  }

  async #start(record: AttemptRecord, signal: AbortSignal): Promise<void> {
    const { key, assignment } = record;
    const claim = claimStart(this.#parts.journal, record);
    try {
      const started = await withClock(assignment.startTimeoutMs, signal, (limit) =>
        untilEngineAnswers(limit, () => this.#parts.runtime.start(assignment, claim, limit)),
      );
      if (!started.ok) return this.fail(key, started.refusal);
      this.#running(key);
    } catch (error) {
      if (!(error instanceof StageTimeout)) throw error;
      this.#startTimeout(record);
    }
  }

  #running(key: AttemptKey): void {
    const change = { runStart: runStart(this.#parts.clock) };
    this.#move(key, 'running', change, [this.#stage(key, 'running')]);
  }

  #startTimeout(record: AttemptRecord): void {
    const message = say`Starting took longer than ${record.assignment.startTimeoutMs} ms.`;
    this.fail(record.key, { reason: 'start_timeout', message });
  }

  async #adopt(record: AttemptRecord, signal: AbortSignal): Promise<void> {
    const { journal, onChange } = this.#parts;
    const { key, assignment } = record;
    if (record.phase === 'starting') this.#running(key);
    const onTimeout = () => {
      const current = journal.attempt(key);
      if (current === undefined) return;
      journal.note(requestStop(current, 'run_timeout'));
      onChange();
    };
    const ending = await runContainer(this.#parts, record, onTimeout, signal);
    const current = journal.attempt(key);
    const stop = current?.stop;
    const outcome = judgeEnding(ending, stop, undefined);
    const isCutOff = stop !== undefined && !(stop === 'run_timeout' && assignment.outputs.length > 0);
    if (isCutOff || ending.engineLost) {
      const leftMs = current === undefined ? undefined : ofStopped.bringsWithinMs(current, ending);
      if (leftMs === undefined) return this.#move(key, 'reporting', { ending, outcome });
      return this.#move(key, 'collecting', { ending, outcome, saving: { leftMs } });
    }
    const failed = outcome.reason === 'completed' ? {} : { outcome };
    this.#move(key, 'collecting', { ending, ...failed }, [this.#stage(key, 'uploading')]);
  }

  async #abandon(record: AttemptRecord, signal: AbortSignal): Promise<void> {
    const { key, stop, assignment } = record;
    if (stop === undefined) throw new Error('an attempt is abandoned for a reason only');
    // Killed between the start and the note of it, a container may be running already.
    if (record.phase === 'starting') {
      await untilEngineAnswers(signal, () => this.#parts.runtime.stop(key, assignment.stopGraceMs, signal));
    }
    this.#move(key, 'reporting', { outcome: outcomeOfStop(stop), files: [], links: [] });
  }

  async #collect(record: AttemptRecord, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#parts;
    const { key, assignment, ending, saving, stop } = record;
    if (saving !== undefined) return this.#save(record, saving, signal);
    if (ending === undefined) throw new Error('only an ended container is collected');
    const intoDir = this.#outputsOf(key);
    try {
      const collected = await withClock(assignment.uploadTimeoutMs, signal, async (limit) => {
        await rm(intoDir, { recursive: true, force: true });
        return untilEngineAnswers(limit, () => runtime.collect(assignment, intoDir, limit));
      });
      const outcome = judgeEnding(ending, stop, evidenceOf(collected));
      const { files = [], links = [], emptyFolders = [], skipped } = collected.ok ? collected.value : {};
      const kept = { outcome, files, links, emptyFolders, ...(skipped === undefined ? {} : { skipped }) };
      if (outcome.reason !== 'completed' && files.length === 0) return this.#move(key, 'reporting', kept);
      this.#move(key, 'uploading', kept);
    } catch (error) {
      if (!(error instanceof StageTimeout)) throw error;
      return this.fail(key, {
        reason: 'upload_failed',
        message: say`The outputs could not be collected in time.`,
      });
    }
    await this.#release(key, signal);
  }

  async #save(record: AttemptRecord, { leftMs }: Saving, signal: AbortSignal): Promise<void> {
    const { key } = record;
    const saved = await ofStopped.collect(this.#parts, record, { dir: this.#outputsOf(key), leftMs }, signal);
    if (saved === undefined) return this.#move(key, 'reporting', { files: [] });
    this.#move(key, 'uploading', { files: [saved.file], saving: { leftMs: saved.leftMs } });
    await this.#release(key, signal);
  }

  /** Scratch is memory or disk that others wait for; what fails here is done again when the attempt is cleaned up. */
  async #release(key: AttemptKey, signal: AbortSignal): Promise<void> {
    const { log, runtime } = this.#parts;
    await runtime.remove(key, signal).catch((error: unknown) => {
      log.warn({ err: error, attempt: attemptKeyText(key) }, 'a container could not be removed yet');
    });
  }

  async #upload(record: AttemptRecord, signal: AbortSignal): Promise<void> {
    const { key, saving } = record;
    if (saving !== undefined) {
      const files = await ofStopped.upload(this.#parts, record, saving.leftMs, signal);
      return this.#move(key, 'reporting', { files });
    }
    const failure = await uploadOutputs(this.#parts, record, signal);
    if (failure === undefined) return this.#move(key, 'reporting');
    this.fail(key, failure);
  }

  async #report(record: AttemptRecord, signal: AbortSignal): Promise<void> {
    const { access, journal, logs, node } = this.#parts;
    const { key } = record;
    const spool = await logs.finish(key);
    if (access.token() !== undefined) {
      await logs.flushed(
        key,
        AbortSignal.any([signal, AbortSignal.timeout(spool.truncated ? longLogFlushMs : logFlushMs)]),
      );
    }
    signal.throwIfAborted();
    const current = journal.attempt(key) ?? record;
    if (current.outcome === undefined) throw new Error('an attempt is not reported without an outcome');
    const log = { ...current.log, ...extentOf(spool) };
    const receipt = makeReceipt(node, { ...current, log }, current.outcome);
    const { reason, message } = receipt;
    this.#parts.log.info({ attempt: attemptKeyText(key), reason, detail: message }, 'attempt ended');
    this.#move(key, 'cleaning', { log }, [{ kind: 'finished', receipt }]);
  }

  async #clean(record: AttemptRecord, signal: AbortSignal): Promise<void> {
    const { inputs, journal, logs, runtime } = this.#parts;
    const { key } = record;
    await untilEngineAnswers(signal, () => runtime.remove(key, signal));
    await rm(this.#outputsOf(key), { recursive: true, force: true });
    const held = journal
      .attempts()
      .filter((other) => other.phase === 'fetching' || other.phase === 'preparing');
    await inputs.trim(new Set(held.flatMap((other) => artifactsOf(other.assignment))));
    // Sends what an earlier life of the agent left unsent.
    if (!record.log.done) await logs.finish(key);
    this.#move(key, 'settled');
  }

  #outputsOf(key: AttemptKey): string {
    return join(this.#parts.outputsDir, attemptKeyText(key));
  }
}
