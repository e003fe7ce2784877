import { type AttemptKey, attemptKeyText, type ObservedAttempt } from '@capacloud/agent/core/ports';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { HeapEvent } from '../kernel/actor.ts';
import { epochMs, kernel } from '../kernel/kernel.ts';
import { hashText, Prng } from '../kernel/prng.ts';

export interface Container {
  state: ObservedAttempt;
  readonly devices: readonly string[];
  readonly output: string;
  end: HeapEvent | undefined;
  /** Its program runs, and the engine does not know. */
  isStray: boolean;
  readonly behaviour: Behaviour;
}

/** What the program of a job does, by its environment and the attempt. */
interface Behaviour {
  readonly runMs: number;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly termMs: number;
  /** How long after its start it ruins its devices; undefined: it does not. */
  readonly ruinsAfterMs: number | undefined;
}

/** What really happened to containers of this machine. */
export interface EngineWitness {
  container(key: AttemptKey, change: 'started' | 'ended', devices: readonly string[]): void;
  ran(key: AttemptKey, succeeded: boolean): void;
  ruined(devices: readonly string[]): void;
}

export type EngineMood = 'well' | 'gone' | 'hanging';

/** Docker of one machine: it outlives the agent, and can go away, hang, or take its containers along. */
export class SimulatedEngine {
  readonly containers = new Map<string, Container>();
  mood: EngineMood = 'well';
  /** Since when it is well, true time. */
  wellSinceMs = Number.NEGATIVE_INFINITY;
  readonly #witness: EngineWitness;
  readonly #wallOffset: () => number;
  readonly #changed = new Set<() => void>();
  #goAway: (() => void) | undefined;

  constructor(witness: EngineWitness, wallOffset: () => number) {
    this.#witness = witness;
    this.#wallOffset = wallOffset;
  }

  /** Until something changes: a container, or the engine's mood. */
  onChange(listener: () => void): () => void {
    this.#changed.add(listener);
    return () => this.#changed.delete(listener);
  }

  setMood(mood: EngineMood): void {
    this.mood = mood;
    this.wellSinceMs = kernel().nowMs;
    this.#tell();
  }

  create(assignment: Assignment): void {
    const key = { task: assignment.task, attempt: assignment.attempt };
    const text = attemptKeyText(key);
    if (this.containers.has(text)) return;
    this.containers.set(text, {
      state: { key, container: 'created', oomKilled: false, scratch: true },
      devices: assignment.devices,
      output: outputOf(key),
      end: undefined,
      isStray: false,
      behaviour: behaviourOf(assignment),
    });
  }

  /** In its next start it goes away after the program runs, and before it has noted that; undefined: it does not. */
  loseNextStart(goAway: (() => void) | undefined): void {
    this.#goAway = goAway;
  }

  /** False: it cannot. */
  start(key: AttemptKey): boolean {
    const container = this.containers.get(attemptKeyText(key));
    if (container === undefined || container.isStray) return false;
    if (container.state.container !== 'created') return true;
    const goAway = this.#goAway;
    this.#goAway = undefined;
    if (goAway === undefined)
      container.state = { ...container.state, container: 'running', startedAtMs: this.#wallMs() };
    else container.isStray = true;
    this.#witness.container(key, 'started', container.devices);
    const { runMs, exitCode, oomKilled } = container.behaviour;
    container.end = kernel().schedule(runMs, kernel().nature, `exit ${attemptKeyText(key)} ${exitCode}`, () =>
      this.#end(container, { exitCode, oomKilled }),
    );
    const { ruinsAfterMs } = container.behaviour;
    if (ruinsAfterMs !== undefined)
      kernel().schedule(ruinsAfterMs, kernel().nature, `ruins ${container.devices.join()}`, () => {
        if (runs(container)) this.#witness.ruined(container.devices);
      });
    goAway?.();
    this.#tell();
    return true;
  }

  /** TERM, and KILL after the grace. */
  terminate(key: AttemptKey, graceMs: number): void {
    const container = this.containers.get(attemptKeyText(key));
    if (container?.state.container !== 'running') return;
    const { termMs } = container.behaviour;
    const exitCode = termMs <= graceMs ? 143 : 137;
    const afterMs = Math.min(termMs, graceMs);
    kernel().schedule(afterMs, kernel().nature, `killed ${attemptKeyText(key)}`, () =>
      this.#end(container, { exitCode, oomKilled: false }),
    );
  }

  remove(key: AttemptKey): void {
    const text = attemptKeyText(key);
    const container = this.containers.get(text);
    if (container === undefined) return;
    this.#end(container, { exitCode: 137, oomKilled: false });
    this.containers.delete(text);
    this.#tell();
  }

  /** The engine, or the whole machine, restarts: what ran is gone, and its state says nothing. */
  loseAll(): void {
    for (const container of this.containers.values()) {
      if (!runs(container)) continue;
      this.#end(container, { exitCode: 0, oomKilled: false, engineLost: true });
    }
  }

  #end(
    container: Container,
    how: { readonly exitCode: number; readonly oomKilled: boolean; readonly engineLost?: true },
  ): void {
    if (!runs(container)) return;
    const { key } = container.state;
    if (container.end !== undefined) kernel().cancel(container.end);
    this.#witness.container(key, 'ended', container.devices);
    if (container.isStray) {
      // Nobody learns how.
      container.isStray = false;
      return;
    }
    container.state = { ...container.state, container: 'exited', finishedAtMs: this.#wallMs(), ...how };
    this.#witness.ran(key, how.exitCode === 0 && !how.oomKilled && how.engineLost !== true);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#changed) listener();
  }

  #wallMs(): number {
    return Math.floor(epochMs + kernel().nowMs + this.#wallOffset());
  }
}

function runs({ state, isStray }: Container): boolean {
  return state.container === 'running' || isStray;
}

function behaviourOf({ env, task, attempt }: Assignment): Behaviour {
  const random = new Prng(hashText(`${task} ${attempt}`, 1), 'program');
  const mean = Number(env.RUN_MS ?? 1000);
  const fails = random.chance(Number(env.FAILS ?? 0));
  const oomKilled = fails && random.chance(0.3);
  return {
    runMs: Math.max(1, random.between(0.2, 1.8) * mean),
    exitCode: fails ? (oomKilled ? 137 : 1 + random.below(3)) : 0,
    oomKilled,
    ruinsAfterMs: env.RUINS === undefined ? undefined : Number(env.RUINS),
    termMs: random.chance(env.DEAF === undefined ? 0.2 : 1) ? 1e9 : random.between(5, 400),
  };
}

/** What some attempts of all tasks write, so that uploads meet what is known already. */
export const sameResult = 'the same result';

function outputOf({ task, attempt }: AttemptKey): string {
  const random = new Prng(hashText(`${task} ${attempt}`, 2), 'output');
  return random.chance(0.2) ? sameResult : `result of ${task} in attempt ${attempt}`;
}
