import { isTaskId } from '../ids.ts';
import type { AttemptRef } from './frames.ts';

/** The header by which an agent says whose outputs it brings. A coordinator of before does not read it. */
export const attemptHeaderName = 'capacloud-attempt';

const pattern = /^(.+)\/([1-9][0-9]{0,4})$/;

/** `TASK/ATTEMPT`. */
export function attemptName({ attempt, task }: AttemptRef): string {
  return `${task}/${attempt}`;
}

/** Undefined for any other text. */
export function readAttemptName(text: string): AttemptRef | undefined {
  const [, task = '', attempt = ''] = pattern.exec(text) ?? [];
  return isTaskId(task) ? { task, attempt: Number(attempt) } : undefined;
}
