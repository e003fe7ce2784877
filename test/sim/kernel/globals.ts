import type { HeapEvent } from './actor.ts';
import { activeKernel, type Kernel } from './kernel.ts';

/** Taken before anything is replaced: for the runner, which lives in real time. */
export const realTime = {
  performanceMs: performance.now.bind(performance),
  cpu: process.cpuUsage.bind(process),
} as const;

type Callback = (...args: unknown[]) => void;

/** What setTimeout gives, as far as Node's has it. */
class SimulatedTimer {
  readonly #kernel: Kernel;
  readonly #callback: () => void;
  readonly #delayMs: number;
  readonly #repeats: boolean;
  readonly #kind: string;
  readonly #actor: Kernel['current'];
  #event: HeapEvent | undefined;

  constructor(kernel: Kernel, kind: string, delayMs: number, repeats: boolean, callback: () => void) {
    this.#kernel = kernel;
    this.#kind = kind;
    this.#actor = kernel.current;
    this.#delayMs = delayMs;
    this.#repeats = repeats;
    this.#callback = callback;
    this.#arm();
  }

  #arm(): void {
    // What a process sets up after its end never comes.
    if (!this.#actor.alive) return;
    this.#event = this.#kernel.schedule(this.#delayMs, this.#actor, this.#kind, () => {
      this.#event = undefined;
      if (this.#repeats) this.#arm();
      this.#callback();
    });
  }

  cancel(): void {
    if (this.#event !== undefined) this.#kernel.cancel(this.#event);
    this.#event = undefined;
  }
  refresh(): this {
    this.cancel();
    this.#arm();
    return this;
  }
  hasRef(): boolean {
    return true;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  close(): this {
    this.cancel();
    return this;
  }
  [Symbol.dispose](): void {
    this.cancel();
  }
}

/** As Node rounds them. */
function wholeMs(delay: unknown): number {
  const ms = Math.trunc(Number(delay ?? 1));
  return ms >= 1 && ms <= 2 ** 31 - 1 ? ms : 1;
}

function cancel(timer: unknown): void {
  if (timer instanceof SimulatedTimer) timer.cancel();
}

/** Replaces time and chance of this thread. Where no simulation runs, the real ones go on. */
export function replaceGlobals(): void {
  const { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate } = globalThis;
  const replaced = {
    setTimeout(callback: Callback, delay?: number, ...args: unknown[]) {
      const kernel = activeKernel();
      if (kernel === undefined) return setTimeout(callback, delay, ...args);
      return new SimulatedTimer(kernel, 'timeout', wholeMs(delay), false, () => callback(...args));
    },
    setInterval(callback: Callback, delay?: number, ...args: unknown[]) {
      const kernel = activeKernel();
      if (kernel === undefined) return setInterval(callback, delay, ...args);
      return new SimulatedTimer(kernel, 'interval', wholeMs(delay), true, () => callback(...args));
    },
    setImmediate(callback: Callback, ...args: unknown[]) {
      const kernel = activeKernel();
      if (kernel === undefined) return setImmediate(callback, ...args);
      return new SimulatedTimer(kernel, 'immediate', 0, false, () => callback(...args));
    },
    clearTimeout(timer: unknown) {
      if (timer instanceof SimulatedTimer) cancel(timer);
      else clearTimeout(timer as NodeJS.Timeout);
    },
    clearInterval(timer: unknown) {
      if (timer instanceof SimulatedTimer) cancel(timer);
      else clearInterval(timer as NodeJS.Timeout);
    },
    clearImmediate(timer: unknown) {
      if (timer instanceof SimulatedTimer) cancel(timer);
      else clearImmediate(timer as NodeJS.Immediate);
    },
  };
  Object.assign(globalThis, replaced);
  replaceClocks();
  replaceChance();
  replaceAbortTimeout();
}

function replaceClocks(): void {
  const RealDate = Date;
  const now = () => activeKernel()?.wallMs() ?? RealDate.now();
  const SimulatedDate = new Proxy(RealDate, {
    construct: (target, args: unknown[], newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as object,
    get: (target, name) => (name === 'now' ? now : (Reflect.get(target, name) as unknown)),
  });
  globalThis.Date = SimulatedDate;
  const realNow = performance.now.bind(performance);
  performance.now = () => activeKernel()?.nowMs ?? realNow();
}

function replaceChance(): void {
  const real = Math.random;
  Math.random = () => activeKernel()?.current.random.next() ?? real();
}

function replaceAbortTimeout(): void {
  const real = AbortSignal.timeout.bind(AbortSignal);
  AbortSignal.timeout = (ms) => {
    if (activeKernel() === undefined) return real(ms);
    const controller = new AbortController();
    globalThis.setTimeout(() => {
      controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
    }, ms);
    return controller.signal;
  };
}
