import type { Command, Contact } from '@capacloud/core/contract/command';
import type { Event } from '@capacloud/core/contract/event';
import { apply, decide, needsPlacement } from '@capacloud/core/machine';
import { ScheduleNotes } from '@capacloud/core/scheduler/schedule-notes';
import { createState, type State } from '@capacloud/core/state';
import type { NodeId } from '@capacloud/protocol/ids';
import type { Result } from '@capacloud/protocol/result';
import { accept } from '@capacloud/protocol/result';

/** A coordinator ticks each second; of these, the ones are simulated that may find something. */
const tickMs = 1000;
/** One at least so often, for whatever may hang on time alone. */
const restMs = 30_000;

export interface CoreListener {
  /** Is shown each event with the state as it was before. */
  before?(state: State, event: Event): void;
  /** Is shown each event of a command when all of them have happened. */
  after?(event: Event): void;
}

/** The state machine of the coordinator, and what a running one does for it: ticks, and places when there is reason to. */
export class CoreDriver {
  readonly state: State = createState();
  readonly notes = new ScheduleNotes();
  readonly #heard: ReadonlyMap<NodeId, Contact>;
  readonly #listeners: CoreListener[] = [];
  #lastTickAt: number;
  #at: number;
  events = 0;

  constructor(startAt: number, heard: ReadonlyMap<NodeId, Contact>) {
    this.#at = startAt;
    this.#lastTickAt = startAt;
    this.#heard = heard;
  }

  listen(listener: CoreListener): void {
    this.#listeners.push(listener);
  }

  /** Unix milliseconds. */
  get now(): number {
    return this.#at;
  }

  moveTo(at: number): void {
    this.#at = at;
  }

  /** Does what the command means, and what follows from it. */
  submit(command: Command): Result<number> {
    const result = decide(this.state, command, this.notes);
    if (!result.ok) return result;
    for (const event of result.value) {
      for (const listener of this.#listeners) listener.before?.(this.state, event);
      apply(this.state, event);
    }
    this.events += result.value.length;
    for (const event of result.value) for (const listener of this.#listeners) listener.after?.(event);
    return accept(result.value.length);
  }

  /** As submit, where a refusal would be a mistake of ours. */
  must(command: Command): void {
    const result = this.submit(command);
    if (!result.ok) throw new Error(`${command.type}: ${result.refusal.code} ${result.refusal.message}`);
  }

  /** When the next tick is worth while: the clocks of the state say so, or it has been long. */
  get nextTickAt(): number {
    const { backoffs, queueClocks, stageClocks } = this.state;
    const dueAt = Math.min(backoffs.earliest(), queueClocks.earliest(), stageClocks.earliest());
    const wantedAt = Math.min(Math.max(dueAt, this.#lastTickAt + 1), this.#lastTickAt + restMs);
    return Math.ceil(wantedAt / tickMs) * tickMs;
  }

  tick(): void {
    this.#lastTickAt = this.#at;
    this.must({ type: 'tick', at: this.#at, heard: this.#heard, listeningSince: 0 });
  }

  /** As the coordinator does at the end of each turn. */
  placeWhatWaits(): void {
    while (needsPlacement(this.state, this.notes)) {
      const before = this.events;
      this.must({ type: 'place', at: this.#at });
      if (this.events === before) return;
    }
  }
}
