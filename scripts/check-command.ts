import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** How a command ended. `output` holds stdout and stderr together, in order, when it was captured. */
export interface CommandResult {
  readonly exitCode: number;
  readonly output: string;
  readonly durationMs: number;
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** `inherit` shows the output as it comes and captures nothing. */
  readonly output: 'capture' | 'inherit';
}

/** A captured output longer than this keeps its head and its tail: both ends of a log tell the most. */
const maxOutputCharacters = 4_000_000;
/** How long a command may take to tidy up after SIGTERM before it is killed. */
const terminationGraceMs = 30_000;

/**
 * Runs one program to its end. Never rejects for a failing program: a missing one exits 127, one ended by
 * signal n exits 128 + n, as in a shell. Aborting sends SIGTERM, then SIGKILL after a bound.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
  signal: AbortSignal,
): Promise<CommandResult> {
  const startedAt = performance.now();
  const text = new BoundedText(maxOutputCharacters);
  return new Promise((resolve) => {
    const finish = (exitCode: number): void => {
      signal.removeEventListener('abort', terminate);
      clearTimeout(killTimer);
      resolve({ exitCode, output: text.toString(), durationMs: performance.now() - startedAt });
    };
    let killTimer: NodeJS.Timeout | undefined;
    const terminate = (): void => {
      child.kill('SIGTERM');
      killTimer = setTimeout(() => child.kill('SIGKILL'), terminationGraceMs);
    };
    if (signal.aborted) {
      finish(130);
      return;
    }
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: [
        'ignore',
        options.output === 'capture' ? 'pipe' : 'inherit',
        options.output === 'capture' ? 'pipe' : 'inherit',
      ],
    });
    signal.addEventListener('abort', terminate, { once: true });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => text.append(chunk));
    }
    child.once('error', (error) => {
      text.append(`${command}: ${error.message}\n`);
      finish(127);
    });
    child.once('close', (code, endedBy) =>
      finish(code ?? 128 + (endedBy === null ? 0 : constants.signals[endedBy])),
    );
  });
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
