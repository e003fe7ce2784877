import { spawn } from 'node:child_process';

const keptOutputChars = 4000;

interface CommandRequest {
  /** The program and its arguments; no shell reads them. */
  readonly argv: readonly [string, ...string[]];
  readonly hint: string;
  readonly signal: AbortSignal;
  /** Receives the standard output; without it, the output is only kept for the error's text. */
  readonly onStdout?: (stdout: NodeJS.ReadableStream) => Promise<void>;
}

/** A program that could not be started or that failed. `hint` says what a person can do about it. */
export class CommandError extends Error {
  readonly code: 'command_missing' | 'command_failed';
  readonly hint: string;

  constructor(code: 'command_missing' | 'command_failed', message: string, hint: string, cause?: unknown) {
    super(`${message}\n  hint: ${hint}`, { cause });
    this.name = 'CommandError';
    this.code = code;
    this.hint = hint;
  }
}

/** Runs a program to its end. Throws CommandError, with the last of its output in the message. */
export async function runCommand({ argv, hint, signal, onStdout }: CommandRequest): Promise<void> {
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    signal,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
  });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-keptOutputChars);
  };
  child.stderr.on('data', keep);
  if (onStdout === undefined) child.stdout.on('data', keep);

  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') return reject(error);
      reject(new CommandError('command_missing', `the program ${program} is not installed`, hint, error));
    });
    child.once('close', (code, killedBy) => {
      if (code === 0) return resolve();
      const how = code === null ? `was stopped by ${killedBy}` : `failed with status ${code}`;
      reject(
        new CommandError('command_failed', `${argv.slice(0, 4).join(' ')} ${how}:\n${output.trim()}`, hint),
      );
    });
  });
  await Promise.all([ended, onStdout?.(child.stdout)]);
}
