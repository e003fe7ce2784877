import { Actor, type HeapEvent } from './actor.ts';
import { EventHeap } from './event-heap.ts';
import { Prng } from './prng.ts';
import { Trace } from './trace.ts';

/** True time 0 of every run, as a wall clock shows it. */
export const epochMs = 1_800_000_000_000;

/** The real ones, taken before anything is replaced. */
const realSetImmediate = globalThis.setImmediate;
/** Immediates that are set at once: one pass of the real event loop then runs as many events. */
const burst = 128;

/** Real work at one instant is a few thousand events; who goes on like this never lets time pass. */
const mostAtOnce = 200_000;

/** Simulated time: one heap of events, and whose event is running. */
export class Kernel {
  readonly seed: number;
  readonly trace: Trace;
  readonly nature: Actor;
  nowMs = 0;
  /** Whose event runs, microtasks included. What a module does now is done by this process. */
  current: Actor;
  /** After each event, once its microtasks are done. */
  afterEvent: () => void = () => {};
  /** What a process threw and nobody caught. */
  onUncaught: (actor: Actor, error: unknown) => void = (_, error) => {
    throw error;
  };
  readonly #heap = new EventHeap();
  #sequence = 0;
  /** Events since time went on last. */
  #atOnce = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(seed: number, keepTrace: number) {
    this.seed = seed;
    this.trace = new Trace(keepTrace);
    this.nature = new Actor('nature', new Prng(seed, 'nature'), 0);
    this.current = this.nature;
  }

  schedule(delayMs: number, actor: Actor, kind: string, run: () => void): HeapEvent {
    const event: HeapEvent = {
      atMs: this.nowMs + Math.max(0, delayMs),
      sequence: this.#sequence++,
      actor,
      kind,
      run,
    };
    this.#heap.push(event);
    return event;
  }

  cancel(event: HeapEvent): void {
    event.run = undefined;
  }

  wallMs(): number {
    return Math.floor(epochMs + this.nowMs + this.current.wallOffsetMs);
  }

  /** Ends the run with this error after the present event. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Runs until `isDone`, which is asked after each event, or until nothing is left to happen. */
  run(isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let ended = false;
      let pending = 0;
      const finish = (end: () => void) => {
        ended = true;
        end();
      };
      const step = () => {
        pending -= 1;
        if (ended) return;
        try {
          // Microtasks of the event before are done: Node drains them between two immediates.
          this.afterEvent();
          if (this.#failure !== undefined) throw this.#failure.error;
          if (isDone() || !this.#next()) return finish(resolve);
        } catch (error) {
          return finish(() => reject(error));
        }
        if (pending === 0) fill();
      };
      const fill = () => {
        pending = burst;
        for (let i = 0; i < burst; i++) realSetImmediate(step);
      };
      fill();
    });
  }

  /** One event that really happens. False when there is none. */
  #next(): boolean {
    for (;;) {
      const event = this.#heap.pop();
      if (event === undefined) return false;
      const { run, actor } = event;
      if (run === undefined || !actor.alive) continue;
      if (actor.frozenUntilMs > event.atMs) {
        actor.held.push(event);
        continue;
      }
      this.#watchTime(event.atMs);
      this.current = actor;
      event.run = undefined;
      this.trace.add(event.atMs, actor.name, event.kind);
      try {
        run();
      } catch (error) {
        this.#uncaught(actor, error);
      }
      return true;
    }
  }

  #watchTime(atMs: number): void {
    this.#atOnce = atMs > this.nowMs ? 0 : this.#atOnce + 1;
    if (this.#atOnce > mostAtOnce)
      throw new Error(`${mostAtOnce} events at ${atMs} ms, the last of ${this.current.name}: somebody spins`);
    this.nowMs = atMs;
  }

  /** As by SIGSTOP: its events wait until it thaws. */
  freeze(actor: Actor, forMs: number): void {
    actor.frozenUntilMs = this.nowMs + forMs;
    this.schedule(forMs, this.nature, `thaw ${actor.name}`, () => {
      this.thaw(actor);
    });
  }

  thaw(actor: Actor): void {
    actor.frozenUntilMs = 0;
    for (const event of actor.held.splice(0)) {
      event.atMs = this.nowMs;
      this.#heap.push(event);
    }
  }

  uncaught(error: unknown): void {
    this.#uncaught(this.current, error);
  }

  #uncaught(actor: Actor, error: unknown): void {
    // What a process does after its end is nobody's.
    if (!actor.alive) return;
    try {
      this.onUncaught(actor, error);
    } catch (fatal) {
      this.fail(fatal);
    }
  }
}

let active: Kernel | undefined;

/** The run that is going on in this thread: there is one at a time. */
export function activeKernel(): Kernel | undefined {
  return active;
}

export function kernel(): Kernel {
  if (active === undefined) throw new Error('no simulation is running');
  return active;
}

export function setKernel(next: Kernel | undefined): void {
  active = next;
}
