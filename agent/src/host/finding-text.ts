import type { Finding } from './checks/finding.ts';

/** A finding as the doctor tells it. */
export function findingText({ id, ok, isWarning, is, should, mend }: Finding): string {
  const word = ok ? (isWarning === true ? 'warn' : 'ok  ') : 'FAIL';
  const advice = ok && isWarning !== true ? '' : `\n     should be: ${should}\n     to mend it: ${mend}`;
  return `${word} ${id}: ${is}${advice}`;
}
