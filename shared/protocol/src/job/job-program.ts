import type { Problem } from '../result.ts';
import type { JobFile } from './job-file.ts';

const shell: readonly string[] = ['/bin/sh', '-c'];

/** What a container runs, in the engine's words: an entrypoint replaces the image's, a command alone follows it. */
interface Program {
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
}

/**
 * A string is a shell line. As a command it runs also where the image has an ENTRYPOINT, so the shell takes that one's
 * place. An entrypoint of the file's own gets the shell with its line as arguments, as `tini --` needs it, or the line
 * alone where it ends with -c, as `bash -c` does. Lists are taken as they are.
 */
export function readProgram({ entrypoint, command }: Pick<JobFile, 'entrypoint' | 'command'>): Program {
  const first = typeof entrypoint === 'string' ? [...shell, entrypoint] : entrypoint;
  if (command === undefined) return first === undefined ? {} : { entrypoint: first };
  if (typeof command !== 'string') return first === undefined ? { command } : { entrypoint: first, command };
  if (first === undefined) return { entrypoint: shell, command: [command] };
  return { entrypoint: first, command: takesLine(first) ? [command] : [...shell, command] };
}

/** Shells and interpreters take the program as the argument after -c, which may share its dash: bash -lc. */
function takesLine(entrypoint: readonly string[]): boolean {
  return /^-[a-z]*c$/.test(entrypoint.at(-1) ?? '');
}

/** Two shell lines: the first would be run, and the second be lost in silence. */
export function checkProgram({
  entrypoint,
  command,
}: Pick<JobFile, 'entrypoint' | 'command'>): readonly Problem[] {
  if (typeof entrypoint !== 'string' || typeof command !== 'string') return [];
  return [
    {
      pointer: '/command',
      message:
        'would be lost beside an entrypoint that is a shell line; write the entrypoint as a list, or both in one line',
    },
  ];
}
