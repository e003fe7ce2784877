import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type Program, programPath } from './programs.ts';

export interface ProcessSpec {
  readonly name: string;
  readonly command: Program;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Output of every life of the process is appended here. */
  readonly logFile: string;
}

const stopTimeoutMs = 20_000;

/** A child process that can be killed and started again, any number of times, and never outlives its owner's `stop`. */
export class ManagedProcess {
  readonly #spec: ProcessSpec;
  #child: ChildProcess | undefined;

  constructor(spec: ProcessSpec) {
    this.#spec = spec;
  }

  get name(): string {
    return this.#spec.name;
  }
  get pid(): number | undefined {
    return this.#child?.pid;
  }
  /** False also where it could not be started. */
  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  start(): void {
    if (this.running) throw new Error(`${this.name} is running already`);
    const log = openSync(this.#spec.logFile, 'a');
    // A group of its own: Ctrl-C at the terminal is for the owner, who ends its children in order.
    this.#child = spawn(programPath(this.#spec.command), this.#spec.args, {
      cwd: this.#spec.cwd,
      env: { ...process.env, ...this.#spec.env },
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    this.#child.on('error', ({ message }) => appendFileSync(this.#spec.logFile, `${message}\n`));
  }

  /** kill -9, as a power cut would do it. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and SIGKILL if that is not enough. Returns the exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || !this.running) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await exited;
    clearTimeout(timer);
    return child.exitCode;
  }

  /** Lets the owner exit while the process runs on. */
  release(): void {
    this.#child?.unref();
  }

  /** For suspending it: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Throws with its last words unless it runs. */
  async expectRunning(): Promise<void> {
    if (this.running) return;
    const how = this.#child?.signalCode ?? `exit code ${this.#child?.exitCode}`;
    throw new Error(`${this.name} ended with ${how}:\n${await this.tail()}`);
  }

  /** The last lines that it printed, for an error message. */
  async tail(lines = 15): Promise<string> {
    const text = await readFile(this.#spec.logFile, 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }
}

/**
 * Repeats a question until it has an answer; fails with what was waited for when the time is over, and at once when a
 * process that has to give the answer has ended.
 */
export async function waitUntil<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  options: {
    readonly timeoutMs: number;
    readonly intervalMs?: number;
    readonly signal?: AbortSignal;
    readonly process?: ManagedProcess;
  },
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    await options.process?.expectRunning();
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline)
      throw new Error(`gave up waiting for ${what} after ${options.timeoutMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, options.intervalMs ?? 50));
  }
}
