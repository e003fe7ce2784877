import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { TaskUser } from '../core/container-user.ts';

/** Where the user of a task has a home: writable, and programs in it may be run. */
export const taskHome = '/home/task';

/** In this order, the first that hides nothing of the image. Images of people named task have their programs in theirs. */
export const taskHomes: readonly string[] = [taskHome, '/home/capacloud', '/capacloud-home'];

const defaultName = 'task';
const usableName = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;

/** The user database of an image, as far as it has one. */
interface ImageUsers {
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

/** The name of the container's user, and the passwd file with it; undefined where the image has none or says it already. */
export interface UserEntry {
  readonly name: string;
  readonly passwd: string | undefined;
  readonly home: string;
  /** Groups in which the image has the user, beside its first and never root's. */
  readonly groups: readonly number[];
}

/** The kernel takes 65,536; a file of the image could name as many. */
const maxGroups = 64;

/**
 * Programs ask passwd(5) for the name of their user, and some fail where there is none (git, ssh, Java, Spark). So the entry
 * of the user whom the job names is given the id that the task has, and where there is no entry, one is added. An image
 * without the file gets none: nothing in it can ask.
 */
export function userEntry(
  { passwd, group }: ImageUsers,
  { uid, gid, namedUid }: TaskUser,
  home: string = taskHome,
): UserEntry {
  if (passwd === undefined) return { name: defaultName, passwd: undefined, home, groups: [] };
  const lines = passwd.split('\n').map((line) => line.split(':'));
  const present = lines.find((fields) => fields.length >= 4 && Number(fields[2]) === namedUid);
  if (present !== undefined) {
    const [name = '', secret = 'x', , ownGroup = '', ...rest] = present;
    const entry = [name, secret, String(uid), String(gid), ...rest];
    const renewed = lines.map((fields) => (fields === present ? entry : fields).join(':')).join('\n');
    return {
      name: usableName.test(name) ? name : defaultName,
      passwd: renewed === passwd ? undefined : renewed,
      home,
      groups: namedUid === 0 ? [] : groupsOf(name, ownGroup, group ?? '').filter((id) => id !== gid),
    };
  }
  const isTaken = lines.some(([name]) => name === defaultName);
  const name = isTaken ? `${defaultName}${uid}` : defaultName;
  const end = passwd === '' || passwd.endsWith('\n') ? '' : '\n';
  const added = `${name}:x:${uid}:${gid}:task:${home}:/bin/sh\n`;
  return { name, passwd: `${passwd}${end}${added}`, home, groups: [] };
}

/** By number, as the engine is told. It looks for a group of that name first, so one whose name is a number is left out. */
function groupsOf(user: string, ownGroup: string, file: string): readonly number[] {
  const lines = file.split('\n').map((line) => line.trim().split(':'));
  const names = new Set(lines.map(([name]) => name));
  const listed = lines.filter(([, , , members = '']) => members.split(',').includes(user));
  const ids = [ownGroup, ...listed.map(([, , id = '']) => id)].filter((id) => /^[1-9][0-9]{0,9}$/.test(id));
  const plain = [...new Set(ids)].filter((id) => !names.has(id) && Number(id) < 2 ** 31);
  return plain.slice(0, maxGroups).map(Number);
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
