import type { RuntimeFailure } from '../core/ports.ts';
import { own, type Sentence, say } from '../core/sentence.ts';
import { isCommandFault, isNodeFault } from './start-check.ts';

const clash = /to rootfs at "([^"]+)".*not a directory/i;

/** What the engine means, in our words: its own could tell of the node's disks, and are for the owner's log alone. */
const meanings: readonly (readonly [RegExp, Sentence])[] = [
  [/chdir to cwd/i, say`The working directory of the container cannot be entered. Check working_dir.`],
  [/unable to find user/i, say`The image has no such user. Check user.`],
  [/exec format error/i, say`The program is in a format that the node cannot execute (exec format error).`],
  [/is a directory/i, say`The program of the container is a directory. Check entrypoint and command.`],
  [
    /permission denied/i,
    say`The program of the container may not be executed (permission denied). Check its mode and user.`,
  ],
  [
    /not a directory/i,
    say`A path of the container leads through something that is no folder. Check entrypoint, command and working_dir.`,
  ],
  [
    /executable file not found|no such file or directory/i,
    say`The program of the container, or the interpreter that it names, does not exist in the image (no such file or directory).`,
  ],
];

/** A refusal of the engine while a container is made or started. */
export interface EngineRefusal {
  readonly status: number;
  /** The engine's words. */
  readonly detail: string;
  /** What the consumer chose and the engine may repeat: it must not decide whose fault it is. */
  readonly ownTexts: readonly string[];
}

/** Whose fault it is, and what the consumer is told. */
export function judgeRefusal({ status, detail, ownTexts }: EngineRefusal): RuntimeFailure {
  const words = withoutOwn(detail, ownTexts);
  // 400: the engine does not accept what the job asks, as when there is no command.
  const isOwnFault = status === 400 ? !isNodeFault(words) : isCommandFault(words);
  if (!isOwnFault)
    return {
      reason: 'agent_failed',
      message: say`The container engine could not make or start the container.`,
      detail,
    };
  const target = clash.exec(detail)?.[1];
  if (target !== undefined && ownTexts.some((text) => text.startsWith(target)))
    return {
      reason: 'start_failed',
      message: say`${own(target)} cannot be mounted: the image has a folder there, or a file in the place of a folder above it. Choose another path.`,
      detail,
    };
  const meaning = meanings.find(([pattern]) => pattern.test(words))?.[1];
  const message =
    meaning ??
    say`The container engine does not accept the container. Check entrypoint, command, working_dir and user.`;
  return { reason: 'start_failed', message, detail };
}

/** As the engine prints them, as they are or quoted. The longest first, as one may be a part of another. */
function withoutOwn(detail: string, ownTexts: readonly string[]): string {
  const spellings = ownTexts.flatMap((text) => [text, JSON.stringify(text).slice(1, -1)]);
  return spellings
    .filter((text) => text.length > 2)
    .toSorted((a, b) => b.length - a.length)
    .reduce((words, text) => words.replaceAll(text, '…'), detail);
}
