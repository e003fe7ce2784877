import { readFile } from 'node:fs/promises';
import type { UidRange } from '../../core/task-uids.ts';
import { type Check, type Finding, finding } from './finding.ts';

/** Only of a range that the owner names: the default one lies where no system gives ids away. */
export const uidCheck: Check = async ({ config: { taskUids } }) => {
  if (taskUids === undefined) return [];
  const [passwd = '', subuid = ''] = await Promise.all(
    ['/etc/passwd', '/etc/subuid'].map((file) => readFile(file, 'utf8').catch(() => '')),
  );
  return [judgeUids(taskUids, passwd, subuid)];
};

/** Whether user ids of tasks belong to users of this machine, or to containers of theirs. */
export function judgeUids({ first, last }: UidRange, passwd: string, subuid: string): Finding {
  const users = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([, , uid = '']) => /^[0-9]+$/.test(uid) && Number(uid) >= first && Number(uid) <= last)
    .map(([name]) => `the user ${name}`);
  const containers = subuid
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([, from = '', count = '']) => Number(count) > 0 && Number(from) <= last)
    .filter(([, from, count]) => Number(from) + Number(count) > first)
    .map(([name]) => `/etc/subuid for ${name}`);
  const taken = [...users, ...containers];
  return finding(
    'task_uids',
    taken.length === 0,
    taken.length === 0 ? `${first} to ${last}` : `shared with ${taken.slice(0, 3).join(', ')}`,
    'nobody else on this machine has the user ids of tasks',
    'Name another range in task_uids, or remove it from the configuration: the default is free.',
  );
}
