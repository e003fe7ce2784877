import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { EngineError } from '../engine/engine-error.ts';
import { type Program, programPath } from './programs.ts';

/** How a command ended. `output` holds stdout and stderr together, in order, when it was captured. */
export interface CommandResult {
  readonly exitCode: number;
  readonly output: string;
  readonly durationMs: number;
  /** There is no such program. */
  readonly missing?: boolean;
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** `inherit` shows the output as it comes and captures nothing. */
  readonly output: 'capture' | 'inherit';
  /** How long it may take to tidy up after SIGTERM before it is killed. */
  readonly graceMs?: number;
  /** Reads the standard output to its end instead of having it captured. Its failure stops the program. */
  readonly onStdout?: (stdout: NodeJS.ReadableStream) => Promise<void>;
}

/** A captured output longer than this keeps its head and its tail: both ends of a log tell the most. */
const maxOutputCharacters = 4_000_000;
/** How much of a failed program's last words its error holds. */
const maxLastWords = 4000;
const terminationGraceMs = 30_000;

/**
 * Runs one program to its end. Never rejects for a failing program: a missing one exits 127, one ended by
 * signal n exits 128 + n, as in a shell. Aborting sends SIGTERM, then SIGKILL after a bound. Rejects with the
 * failure of `onStdout` unless the program failed by itself.
 */
export async function runCommand(
  command: Program,
  args: readonly string[],
  options: CommandOptions,
  signal: AbortSignal,
): Promise<CommandResult> {
  const startedAt = performance.now();
  const text = new BoundedText(maxOutputCharacters);
  if (signal.aborted) return { exitCode: 130, output: '', durationMs: 0 };
  const file = findFile(command);
  if (file instanceof EngineError)
    return { exitCode: 127, output: `${file.message}\n`, durationMs: 0, missing: true };
  const stream = options.output === 'capture' ? 'pipe' : 'inherit';
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['ignore', options.onStdout === undefined ? stream : 'pipe', stream],
  });
  let killTimer: NodeJS.Timeout | undefined;
  const terminate = (): void => {
    child.kill('SIGTERM');
    killTimer ??= setTimeout(() => child.kill('SIGKILL'), options.graceMs ?? terminationGraceMs);
  };
  signal.addEventListener('abort', terminate, { once: true });
  const captured = options.onStdout === undefined ? [child.stdout, child.stderr] : [child.stderr];
  for (const output of captured) {
    output?.setEncoding('utf8').on('data', (chunk: string) => text.append(chunk));
  }
  const reading = readStdout(child, options.onStdout, terminate);
  const { exitCode, missing } = await endOf(child, command, text);
  signal.removeEventListener('abort', terminate);
  clearTimeout(killTimer);
  const failure = await reading;
  if (failure !== undefined && (failure.stopped || exitCode === 0)) throw failure.error;
  const durationMs = performance.now() - startedAt;
  return { exitCode, output: text.toString(), durationMs, ...(missing ? { missing } : {}) };
}

function findFile(command: Program): string | EngineError {
  try {
    return programPath(command);
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
}

interface ReadFailure {
  readonly error: unknown;
  /** The program had more to say, so it was stopped; otherwise its own failure may be the cause. */
  readonly stopped: boolean;
}

async function readStdout(
  { stdout }: ChildProcess,
  onStdout: CommandOptions['onStdout'],
  terminate: () => void,
): Promise<ReadFailure | undefined> {
  if (onStdout === undefined || stdout === null) return undefined;
  try {
    await onStdout(stdout);
    return undefined;
  } catch (error) {
    const stopped = !stdout.readableEnded;
    if (stopped) {
      terminate();
      stdout.destroy();
    }
    return { error, stopped };
  }
}

function endOf(
  child: ChildProcess,
  command: string,
  text: BoundedText,
): Promise<{ exitCode: number; missing: boolean }> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT';
      text.append(missing ? `the program ${command} is not installed\n` : `${command}: ${error.message}\n`);
      resolve({ exitCode: 127, missing });
    });
    child.once('close', (code, endedBy) =>
      resolve({
        exitCode: code ?? 128 + (endedBy === null ? 0 : constants.signals[endedBy]),
        missing: false,
      }),
    );
  });
}

interface RequiredCommand {
  /** The program and its arguments; no shell reads them. */
  readonly argv: readonly [Program, ...string[]];
  /** What a person can do when it fails. */
  readonly hint: string;
  readonly signal: AbortSignal;
  /** Receives the standard output; without it, the output is only kept for the error's text. */
  readonly onStdout?: (stdout: NodeJS.ReadableStream) => Promise<void>;
}

/** A program that could not be started or that failed. `hint` says what a person can do about it. */
export class CommandError extends Error {
  readonly code: 'command_missing' | 'command_failed';
  readonly hint: string;

  constructor(code: 'command_missing' | 'command_failed', message: string, hint: string) {
    super(`${message}\n  hint: ${hint}`);
    this.name = 'CommandError';
    this.code = code;
    this.hint = hint;
  }
}

/**
 * Runs a program that must succeed, with messages that do not depend on the locale. Throws CommandError with the
 * last of its output in the message, and the signal's reason when aborted.
 */
export async function requireCommand({ argv, hint, signal, onStdout }: RequiredCommand): Promise<void> {
  const [program, ...args] = argv;
  const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  const options: CommandOptions = {
    cwd: process.cwd(),
    env,
    output: 'capture',
    ...(onStdout === undefined ? {} : { onStdout }),
  };
  const result = await runCommand(program, args, options, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
  signal.throwIfAborted();
  if (result.exitCode === 0) return;
  if (result.missing === true) throw new CommandError('command_missing', result.output.trim(), hint);
  const lastWords = result.output.slice(-maxLastWords).trim();
  const what = `${argv.slice(0, 4).join(' ')} failed with status ${result.exitCode}:\n${lastWords}`;
  throw new CommandError('command_failed', what, hint);
}

/** Text of bounded size: when full, its middle goes. */
export class BoundedText {
  readonly #halfCharacters: number;
  #head = '';
  #tail = '';
  #droppedCharacters = 0;

  constructor(maxCharacters: number) {
    this.#halfCharacters = Math.floor(maxCharacters / 2);
  }

  append(chunk: string): void {
    const room = this.#halfCharacters - this.#head.length;
    this.#head += chunk.slice(0, room);
    this.#tail += chunk.slice(room);
    // Trimmed at twice the bound, not at every chunk, so that appending stays linear.
    if (this.#tail.length > 2 * this.#halfCharacters) this.#trim();
  }

  #trim(): void {
    const excess = this.#tail.length - this.#halfCharacters;
    if (excess <= 0) return;
    this.#tail = this.#tail.slice(excess);
    this.#droppedCharacters += excess;
  }

  toString(): string {
    this.#trim();
    if (this.#droppedCharacters === 0) return this.#head + this.#tail;
    return `${this.#head}\n… ${this.#droppedCharacters} characters left out …\n${this.#tail}`;
  }
}
