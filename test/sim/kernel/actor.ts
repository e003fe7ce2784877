import type { Prng } from './prng.ts';

/** Thrown out of an effect of a process that has just ended: whatever it still runs must come to nothing. */
export class ProcessEnded extends Error {
  override readonly name = 'ProcessEnded';
}

/** One thing that happens at a time. Cancelled ones stay in the heap and are passed over. */
export interface HeapEvent {
  atMs: number;
  readonly sequence: number;
  readonly actor: Actor;
  /** What it is, with a digest of its content: the trace is made of these. */
  readonly kind: string;
  run: (() => void) | undefined;
}

/** One life of a simulated process. Nature, which never ends, is one too. */
export class Actor {
  readonly name: string;
  readonly random: Prng;
  /** Of its machine's wall clock, against true time. */
  wallOffsetMs: number;
  alive = true;
  /** Frozen until this true time. */
  frozenUntilMs = 0;
  /** What came to it while it was frozen, oldest first. */
  readonly held: HeapEvent[] = [];
  /** It ends before this many more effects; infinite where no crash is due. */
  effectsLeft = Number.POSITIVE_INFINITY;
  /** After each of its events. */
  afterEvent: () => void = () => {};
  /** Called once, when it ends. */
  readonly #endings: ((cause: string) => void)[] = [];

  constructor(name: string, random: Prng, wallOffsetMs: number) {
    this.name = name;
    this.random = random;
    this.wallOffsetMs = wallOffsetMs;
  }

  onEnd(ending: (cause: string) => void): void {
    this.#endings.push(ending);
  }

  end(cause: string): void {
    if (!this.alive) return;
    this.alive = false;
    for (const ending of this.#endings.splice(0)) ending(cause);
  }

  /** Before whatever the world could notice. A due crash comes here. */
  effect(): void {
    if (!this.alive) throw new ProcessEnded(this.name);
    this.effectsLeft -= 1;
    if (this.effectsLeft >= 0) return;
    this.end('crashed between two effects');
    throw new ProcessEnded(this.name);
  }
}
