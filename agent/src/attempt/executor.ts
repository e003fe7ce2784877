import { setTimeout as sleep } from 'node:timers/promises';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { Assignment, AttemptRef, HeartbeatFrame } from '@capacloud/protocol/wire/frames';
import { type Backoff, backoffMs } from '@capacloud/waiting/backoff';
import { type AttemptRecord, isStoppable, requestStop } from '../core/attempt-record.ts';
import { outboxLimit } from '../core/journal-port.ts';
import type { Lease } from '../core/lease.ts';
import { closedReason } from '../core/policy.ts';
import { type AttemptKey, attemptKeyText, type PullProgress } from '../core/ports.ts';
import { reconcile } from '../core/reconcile.ts';
import type { Sentence } from '../core/sentence.ts';
import type { NodeReport, SessionHost } from '../core/session-port.ts';
import { isWork, type Step, unreachable, type WorkKind } from '../core/step.ts';
import type { WorkParts } from '../features/work-parts.ts';
import { AttemptWork } from './attempt-work.ts';
import { EngineWatch } from './engine-watch.ts';
import { endFailedStep } from './failed-step.ts';
import { Intake } from './intake.ts';

export interface ExecutorParts extends Omit<WorkParts, 'onPull' | 'onChange'> {
  readonly lease: Lease;
  readonly offer: () => Offer;
  /** By the owner's schedule: no new work is wanted, and what was assigned before is done. */
  readonly isClosed: () => boolean;
  readonly load: () => HeartbeatFrame['load'];
  /** Reports may be sent, or the offer or the acceptance changed. */
  readonly notifySession: () => void;
}

interface Activity {
  readonly kind: WorkKind;
  readonly abort: AbortController;
}

/** Containers are listed this often; everything that a lost message left behind is found then. */
const relistMs = 30_000;
const failedList: Backoff = { floorMs: 200, baseMs: 500, limitMs: relistMs };
const leaseCheckMs = 500;

/** Brings the containers of this node to what the coordinator wants: reconciles on every wake-up and does the steps. */
export class Executor implements SessionHost {
  readonly #parts: ExecutorParts;
  readonly #work: AttemptWork;
  readonly #intake: Intake;
  readonly #engine: EngineWatch;
  readonly #active = new Map<string, Activity>();
  readonly #stopping = new Set<string>();
  /** Steps of an attempt that failed in a row. */
  readonly #failures = new Map<string, number>();
  readonly #pulls = new Map<string, HeartbeatFrame['pulls'][number]>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #shutdown = new AbortController();
  #desired: Set<string> | undefined;
  #paused = false;
  #wakePending = false;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    const onPull = (key: AttemptKey, { doneBytes, totalBytes }: PullProgress) => {
      const pull = { ...key, doneBytes: Math.floor(doneBytes), totalBytes: Math.floor(totalBytes) };
      this.#pulls.set(attemptKeyText(key), pull);
    };
    const onChange = () => this.onChange();
    this.#work = new AttemptWork({ ...parts, onPull, onChange });
    this.#intake = new Intake({ ...parts, closedReason: () => this.#closedReason(), onChange });
    this.#engine = new EngineWatch(parts);
  }

  get engineReachable(): boolean {
    return this.#engine.isReachable === true;
  }

  attempts(): readonly AttemptRecord[] {
    return this.#parts.journal.attempts();
  }

  /** Works until the signal is aborted; containers are left running and are adopted by the next life. */
  async run(signal: AbortSignal): Promise<void> {
    const timer = setInterval(() => this.#guard(() => this.#look()), leaseCheckMs);
    let failures = 0;
    try {
      while (!signal.aborted) {
        this.#finishLogs();
        failures = (await this.#engine.look(signal)) ? 0 : failures + 1;
        this.#wake();
        const pauseMs = failures === 0 ? relistMs : backoffMs(failedList, failures, Math.random);
        await sleep(pauseMs, undefined, { signal }).catch(() => {});
      }
    } finally {
      clearInterval(timer);
      this.#shutdown.abort();
      for (const activity of this.#active.values()) activity.abort.abort();
      await Promise.all(this.#running);
      await this.#parts.logs.close();
    }
  }

  #look(): void {
    if (this.#leaseLapsed() && this.attempts().some(isStoppable)) this.#wake();
    this.#intake.look(performance.now());
  }

  /** What timers call: an error there would end the process, and all is looked at again anyway. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#parts.log.error({ err: error }, 'the agent could not look at its attempts and tries again');
    }
  }

  /** The logs of what an earlier life had settled; other attempts open theirs when their turn comes. */
  #finishLogs(): void {
    for (const { key, phase, log } of this.attempts())
      if (phase === 'settled' && !log.done) this.#track(this.#parts.logs.finish(key), key);
  }

  /** No new work from now on; what is held goes on. */
  pause(): void {
    this.#paused = true;
    this.#parts.notifySession();
  }

  node(): NodeReport {
    const accepting = !this.#parts.isClosed() && this.#closedReason() === undefined;
    return { offer: this.#parts.offer(), accepting };
  }

  heldAttempts(): readonly AttemptRef[] {
    return this.attempts().map(({ key }) => ({ task: key.task, attempt: key.attempt }));
  }

  load(): HeartbeatFrame['load'] {
    return this.#parts.load();
  }

  pulls(): HeartbeatFrame['pulls'] {
    return [...this.#pulls.values()].slice(0, 64);
  }

  onDesired(attempts: readonly AttemptRef[]): void {
    this.#desired = new Set(attempts.map(attemptKeyText));
    this.#intake.keepOnly(this.#desired);
    this.#wake();
  }

  onAssign(assignments: readonly Assignment[]): void {
    for (const assignment of assignments) {
      this.#desired?.add(attemptKeyText(assignment));
      this.#intake.take(assignment);
    }
    this.onChange();
  }

  onStop(attempts: readonly AttemptRef[]): void {
    const { journal } = this.#parts;
    for (const key of attempts) {
      this.#desired?.delete(attemptKeyText(key));
      this.#intake.drop(key);
      const record = journal.attempt(key);
      if (record !== undefined && isStoppable(record)) journal.note(requestStop(record, 'stopped'));
    }
    this.#wake();
  }

  onChange(): void {
    this.#parts.notifySession();
    this.#wake();
  }

  #closedReason(): Sentence | undefined {
    const { journal } = this.#parts;
    return closedReason({
      paused: this.#paused,
      engineReachable: this.#engine.isReachable !== false,
      heldAttempts: journal.attempts().length,
      outboxItems: journal.outboxSize(),
      outboxLimit,
      storageFault: journal.fault,
    });
  }

  #leaseLapsed(): boolean {
    return this.#parts.lease.hasLapsed(this.#parts.clock.bootMs());
  }

  /** Wake-ups that come together are one. */
  #wake(): void {
    if (this.#wakePending || this.#shutdown.signal.aborted) return;
    this.#wakePending = true;
    setImmediate(() => {
      this.#wakePending = false;
      this.#guard(() => this.#reconcile());
    });
  }

  #reconcile(): void {
    if (this.#shutdown.signal.aborted) return;
    const { journal, offer } = this.#parts;
    const observed = this.#engine.takeObserved();
    const views = journal.attempts().map((record) => {
      const key = attemptKeyText(record.key);
      const active = this.#active.get(key)?.kind;
      const stopping = this.#stopping.has(key);
      const unacked = record.phase === 'settled' && journal.holds(record.key);
      return { record, stopping, unacked, ...(active === undefined ? {} : { active }) };
    });
    const desired = { attempts: this.#desired, leaseLapsed: this.#leaseLapsed() };
    for (const step of reconcile(desired, observed, views, offer())) this.#do(step);
  }

  #do(step: Step): void {
    const { journal, logs, runtime } = this.#parts;
    if (isWork(step)) return this.#begin(step.kind, step.key);
    const signal = this.#shutdown.signal;
    switch (step.kind) {
      case 'cancel': {
        const record = journal.attempt(step.key);
        if (record !== undefined) journal.note(requestStop(record, step.cause));
        break;
      }
      case 'interrupt':
        this.#active.get(attemptKeyText(step.key))?.abort.abort();
        break;
      case 'stop': {
        const graceMs = journal.attempt(step.key)?.assignment.stopGraceMs ?? 0;
        this.#once(this.#stopping, step.key, () => runtime.stop(step.key, graceMs, signal));
        break;
      }
      case 'remove':
        this.#once(this.#stopping, step.key, () => runtime.remove(step.key, signal));
        break;
      case 'forget':
        // The file first: killed in between, the record is still there to do it again.
        this.#once(this.#stopping, step.key, async () => {
          await logs.forget(step.key);
          journal.forget(step.key);
          this.#failures.delete(attemptKeyText(step.key));
          this.#wake();
        });
        break;
      default:
        unreachable(step);
    }
  }

  /** A failure is repaired by the next list, so it is only noted. */
  #once(busy: Set<string>, key: AttemptKey, work: () => Promise<void>): void {
    const text = attemptKeyText(key);
    if (busy.has(text)) return;
    busy.add(text);
    const done = work().finally(() => busy.delete(text));
    this.#track(done, key);
  }

  #track(work: Promise<unknown>, key: AttemptKey): void {
    const tracked: Promise<unknown> = work
      .catch((error: unknown) => {
        if (this.#shutdown.signal.aborted) return;
        this.#parts.log.warn(
          { err: error, attempt: attemptKeyText(key) },
          'a step failed and will be tried again',
        );
      })
      .finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  #begin(kind: WorkKind, key: AttemptKey): void {
    const text = attemptKeyText(key);
    const record = this.#parts.journal.attempt(key);
    if (record === undefined || this.#active.has(text)) return;
    const activity: Activity = { kind, abort: new AbortController() };
    this.#active.set(text, activity);
    const work = this.#runWork(record, activity).finally(() => {
      this.#active.delete(text);
      if (kind === 'pull') this.#pulls.delete(text);
      this.#wake();
    });
    this.#track(work, key);
  }

  async #runWork(record: AttemptRecord, { abort: { signal }, kind }: Activity): Promise<void> {
    const text = attemptKeyText(record.key);
    try {
      await this.#work.handlers[kind](record, signal);
      this.#failures.delete(text);
    } catch (error) {
      if (signal.aborted) return;
      const failures = (this.#failures.get(text) ?? 0) + 1;
      this.#failures.set(text, failures);
      await endFailedStep(this.#parts, this.#work, { record, kind, error, failures }, signal);
    }
  }
}
