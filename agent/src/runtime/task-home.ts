import type { Assignment } from '@capacloud/protocol/frames';
import type { ContainerUser } from './container-profile.ts';

/** Where the user of a task has a home: writable, and programs in it may be run. */
export const taskHome = '/home/task';

/** In this order, the first that hides nothing of the image. Images of people named task have their programs in theirs. */
export const taskHomes: readonly string[] = [taskHome, '/home/capacloud', '/capacloud-home'];

const defaultName = 'task';
const usableName = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;

/** The name of the container's user, and the passwd file with it; undefined where the image's has it already. */
export interface UserEntry {
  readonly name: string;
  readonly passwd: string | undefined;
  readonly home: string;
}

/**
 * Programs ask passwd(5) for the name of their user, and some fail where there is none (git, ssh, Java, Spark). An image
 * without the file gets none: nothing in it can ask.
 */
export function userEntry(
  passwd: string | undefined,
  { uid, gid }: ContainerUser,
  home: string = taskHome,
): UserEntry {
  if (passwd === undefined) return { name: defaultName, passwd: undefined, home };
  const entries = passwd.split('\n').map((line) => line.split(':'));
  const present = entries.find((fields) => fields.length >= 4 && Number(fields[2]) === uid);
  if (present !== undefined) {
    const [name = ''] = present;
    return { name: usableName.test(name) ? name : defaultName, passwd: undefined, home };
  }
  const isTaken = entries.some(([name]) => name === defaultName);
  const name = isTaken ? `${defaultName}${uid}` : defaultName;
  const end = passwd === '' || passwd.endsWith('\n') ? '' : '\n';
  return { name, passwd: `${passwd}${end}${name}:x:${uid}:${gid}:task:${home}:/bin/sh\n`, home };
}

/**
 * Variables by which programs find their user and where to keep things. They go over the image's, which are root's as a
 * rule; the job's own go over them. PyTorch would put compiled code into /tmp, from where nothing may be run.
 */
export function homeVariables(
  job: Assignment['env'],
  name: string,
  ownHome: string = taskHome,
): Readonly<Record<string, string>> {
  const home = job.HOME ?? ownHome;
  const cache = job.XDG_CACHE_HOME ?? `${home.replace(/\/+$/, '')}/.cache`;
  return {
    HOME: home,
    USER: name,
    LOGNAME: name,
    XDG_CACHE_HOME: cache,
    TORCHINDUCTOR_CACHE_DIR: `${cache.replace(/\/+$/, '')}/torchinductor`,
  };
}
