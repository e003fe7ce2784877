import type { Command } from '@capacloud/core/contract/command';
import type { Event } from '@capacloud/core/contract/event';
import { apply, decide, needsPlacement } from '@capacloud/core/machine';
import { ScheduleNotes } from '@capacloud/core/scheduler/schedule-notes';
import { leavesNothing, suspicionOf } from '@capacloud/core/slices/isolation/isolation';
import type { State } from '@capacloud/core/state';
import { StateCapture } from '@capacloud/core/state-capture';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import type { Result } from '@capacloud/protocol/result';
import type {
  Aftermath,
  Aside,
  AsidesOf,
  CommittedEvent,
  Outcome,
  Sequencer,
  Submission,
} from '../ports/sequencer.ts';
import { beginsWork, diskFull } from './disk-refusal.ts';
import { FatalDecision } from './fatal-decision.ts';
import { Group } from './group.ts';
import { fits, type SequencerLimits, sequencerLimits } from './sequencer-limits.ts';
import type { SequencerParts } from './sequencer-parts.ts';
import { broken, draining, overloaded, type Refused, tooLarge } from './sequencer-refusals.ts';
import type { StateMachine } from './state-machine.ts';
import { type CapturedState, type StateDigest, StateDigests } from './state-writer.ts';

/**
 * The single writer. A command is decided and applied in memory as it comes; its group is made durable by one
 * transaction while the next one gathers; only then do listeners and callers hear of it.
 */
export class CommandSequencer implements Sequencer {
  /** Changes by commands alone. It may be ahead of what is durable, so no room sees it: they ask (`ports/questions.ts`). */
  readonly state: State;
  readonly notes = new ScheduleNotes();
  readonly #parts: SequencerParts;
  readonly #limits: SequencerLimits;
  readonly #machine: StateMachine;
  readonly #listeners = new Set<(events: readonly CommittedEvent[]) => void>();
  /** Closed groups, oldest first. The one in flight has left it. */
  #sealed: Group[] = [];
  #open: Group;
  #next: number;
  #waiting = 0;
  #waitingBytes = 0;
  #lastAt = 0;
  #inFlight: Group | undefined;
  #scheduled = false;
  #closed = false;
  #failed = false;
  #idle: (() => void)[] = [];
  readonly #digests = new StateDigests(() => this.capture());
  readonly #aftermath: Aftermath = {
    balanceOf: (account) => this.state.accounts.get(account)?.availableNano ?? 0n,
  };

  constructor(parts: SequencerParts) {
    this.#parts = parts;
    this.#limits = parts.limits ?? sequencerLimits;
    this.#machine = parts.machine ?? { decide, apply };
    this.state = parts.state;
    this.#next = parts.log.size();
    this.#open = new Group(this.#next);
  }

  /** Events that the state holds. */
  get size(): number {
    return this.#next;
  }

  submit(command: Command, asides?: AsidesOf): Promise<Outcome> {
    return this.#take<Outcome>(() => this.#execute(command, asides));
  }

  submitTogether(
    submissions: readonly Submission[],
    asides: (outcomes: readonly Outcome[]) => readonly Aside[],
  ): Promise<Result<readonly Outcome[]>> {
    return this.#take<Result<readonly Outcome[]>>(() => {
      const outcomes = submissions.map((each) => this.#execute(each.command, () => each.asides));
      for (const aside of asides(outcomes)) this.#parts.projection.aside(aside);
      return { ok: true, value: outcomes };
    });
  }

  /** All that `execute` does is in one group. */
  #take<T>(execute: () => T): Promise<T | Refused> {
    // After a failure nothing may be said, not even a refusal: the process is about to end.
    if (this.#failed) return new Promise(() => {});
    if (this.#closed) return Promise.resolve(draining);
    if (this.#waiting >= this.#limits.waitingCommands || this.#waitingBytes >= this.#limits.waitingBytes)
      return Promise.resolve(overloaded);
    try {
      const result = execute();
      this.#waiting += 1;
      return new Promise((resolve) => {
        this.#open.addOutcome(result, resolve);
        this.#closeIfFull();
        this.#schedule();
      });
    } catch (error) {
      this.#fail(error);
      return new Promise(() => {});
    }
  }

  record(asides: readonly Aside[]): Promise<void> {
    if (this.#failed) return new Promise(() => {});
    try {
      for (const aside of asides) this.#parts.projection.aside(aside);
    } catch (error) {
      this.#fail(error);
    }
    return this.#whenDurable(undefined);
  }

  onCommitted(listener: (events: readonly CommittedEvent[]) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** At once where nothing is on its way to the disk. */
  durable(): Promise<void> {
    if (this.#failed) return new Promise(() => {});
    const last = this.#open.count > 0 ? this.#open : (this.#sealed.at(-1) ?? this.#inFlight);
    if (last === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      last.addWaiter(resolve);
    });
  }

  digest(): Promise<StateDigest> {
    if (this.#failed) return new Promise(() => {});
    return this.#digests.take();
  }

  /** The state as it is now, to be written while it moves on. */
  capture(): CapturedState {
    const capture = new StateCapture(this.state);
    return { size: this.#next, capture, durable: this.#whenDurable(undefined) };
  }

  /** Takes no more commands; resolves when everything taken is durable and told. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#failed) return;
    if (this.#inFlight !== undefined || this.#scheduled || this.#waiting > 0)
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
  }

  #whenDurable<T>(value: T): Promise<T> {
    if (this.#failed) return new Promise(() => {});
    return new Promise((resolve) => {
      this.#open.addWaiter(() => {
        resolve(value);
      });
      this.#schedule();
    });
  }

  /** Decides and applies. Throws where the state is half changed because an invariant does not hold. */
  #execute(command: Command, asides?: AsidesOf): Outcome {
    if (this.#isDiskFull && beginsWork(this.state, command)) return diskFull;
    const entries: string[] = [];
    let events: readonly Event[];
    try {
      const decision = this.#machine.decide(this.state, command, this.notes);
      if (!decision.ok) return decision;
      events = decision.value;
      for (const event of events) {
        const entry = canonicalJson(event);
        if (!fits(entry)) return tooLarge(event);
        entries.push(entry);
      }
    } catch (error) {
      return this.#drop(command, error);
    }
    return this.#apply(command, events, entries, asides);
  }

  /** Nothing has changed yet: the decision is dropped, and what it was about is kept away from. */
  #drop(command: Command, error: unknown): Outcome {
    if (command.type === 'subject.isolate') throw error;
    const suspicion = leavesNothing(this.state, command)
      ? undefined
      : suspicionOf(this.state, command, this.notes.busy);
    this.#parts.onBroken?.({ command: command.type, error, suspicion });
    if (suspicion !== undefined) this.#execute({ type: 'subject.isolate', at: command.at, ...suspicion });
    // What else waits is looked at again.
    this.notes.stir();
    return broken;
  }

  #apply(command: Command, events: readonly Event[], entries: readonly string[], asides?: AsidesOf): Outcome {
    const committed: CommittedEvent[] = [];
    for (let i = 0; i < events.length; i++) {
      const event = events[i] as Event;
      const index = this.#next;
      try {
        this.#parts.projection.before(this.state, event, index);
        this.#machine.apply(this.state, event);
        this.#parts.projection.after(this.state, event);
      } catch (error) {
        throw new FatalDecision(error, suspicionOf(this.state, command, this.notes.busy, event));
      }
      const one = { index, event };
      committed.push(one);
      this.#open.add(one, entries[i] as string);
      this.#waitingBytes += (entries[i] as string).length;
      this.#next += 1;
    }
    for (const aside of asides?.(committed, this.#aftermath) ?? []) this.#parts.projection.aside(aside);
    this.#lastAt = Math.max(this.#lastAt, command.at);
    return { ok: true, events: committed };
  }

  /** So that neither a transaction nor the time to write it grows without bound. */
  #closeIfFull(): void {
    if (this.#open.count < this.#limits.groupEvents && this.#open.bytes < this.#limits.groupBytes) return;
    this.#seal();
  }

  #seal(): void {
    this.#open.seal(this.#parts.projection.take());
    this.#sealed.push(this.#open);
    this.#open = new Group(this.#next);
  }

  /** The commands of one turn of the event loop share a group. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight !== undefined) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    if (this.#failed || this.#inFlight !== undefined) return;
    try {
      this.#place();
      if (!this.#open.isEmpty) this.#seal();
    } catch (error) {
      return this.#fail(error);
    }
    const group = this.#sealed.shift();
    if (group === undefined) this.#rest();
    else void this.#commit(group);
  };

  get #isDiskFull(): boolean {
    return this.#parts.disk?.level === 'full';
  }

  /** Work and capacity that came in this turn meet in this turn's group. */
  #place(): void {
    if (this.#isDiskFull) return;
    while (
      !this.#closed &&
      needsPlacement(this.state, this.notes) &&
      this.#open.count < this.#limits.groupEvents
    ) {
      const before = this.#next;
      this.#execute({ type: 'place', at: Math.max(this.#parts.now(), this.#lastAt) });
      if (this.#next === before) break;
    }
  }

  async #commit(group: Group): Promise<void> {
    this.#inFlight = group;
    try {
      if (group.count > 0 || group.hasRows)
        // guard: commit, then speak
        await this.#parts.log.append(group.forLog(), this.#parts.fencingEpoch);
      this.#waiting -= group.outcomes;
      this.#waitingBytes -= group.bytes;
      for (const listener of this.#listeners) listener(group.events);
      this.#inFlight = undefined;
      group.tell();
    } catch (error) {
      return this.#fail(error);
    }
    // Not at once: what the callers do with their outcomes belongs to the next group.
    this.#schedule();
  }

  #rest(): void {
    if (this.#waiting > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#parts.onFatal(error instanceof Error ? error : new Error('the sequencer failed', { cause: error }));
  }
}
