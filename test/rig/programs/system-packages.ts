import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { repositoryRoot } from '../repository-root.ts';

/**
 * What a package is for: to run a Docker engine of our own, for the tests themselves, to hurt a network, or to compare
 * with. Every Debian has those of `machine`: they are never installed, but named where one is missing.
 */
type Purpose = 'engine' | 'tests' | 'chaos' | 'bench' | 'machine';

export interface SystemPackage {
  /** Name in Debian. */
  readonly name: string;
  readonly purpose: Purpose;
  /** The programs that are used of it. It is there when all of them are, wherever they came from. */
  readonly commands: readonly [string, ...string[]];
  /** Where else its programs may be than where programs are. */
  readonly folders?: readonly string[];
  /** Unpacked into the checkout's cache instead of installed, because it would start a service that anybody can reach. */
  readonly unpacked?: true;
  readonly why: string;
}

/**
 * Every program outside of node_modules that scripts and tests start, and the agent in them. Extend this table, and nothing
 * else: `programs.ts` starts nothing that it does not name.
 */
export const systemPackages = [
  { name: 'docker.io', purpose: 'engine', commands: ['dockerd', 'docker'], why: 'runs the containers' },
  { name: 'iptables', purpose: 'engine', commands: ['iptables'], why: 'carries container networks' },
  {
    name: 'busybox-static',
    purpose: 'tests',
    commands: ['busybox'],
    why: 'makes the test images, as nothing is pulled',
  },
  {
    name: 'docker-compose',
    purpose: 'tests',
    commands: ['docker-compose'],
    // Docker's own packages have it as a plugin.
    folders: ['/usr/libexec', '/usr/lib', '/usr/local/libexec', '/usr/local/lib'].map(
      (folder) => `${folder}/docker/cli-plugins`,
    ),
    why: 'starts the images as compose.yaml says',
  },
  {
    name: 'docker-registry',
    purpose: 'tests',
    commands: ['docker-registry'],
    unpacked: true,
    why: 'is the registry that agents pull from in tests',
  },
  {
    name: 'e2fsprogs',
    purpose: 'tests',
    commands: ['mkfs.ext4', 'debugfs'],
    why: 'makes small disks that fill up',
  },
  { name: 'mount', purpose: 'tests', commands: ['mount', 'umount', 'losetup'], why: 'mounts small disks' },
  { name: 'procps', purpose: 'tests', commands: ['ps'], why: 'tells the engine what runs in a container' },
  { name: 'faketime', purpose: 'chaos', commands: ['faketime'], why: 'gives processes a wrong clock' },
  { name: 'iproute2', purpose: 'chaos', commands: ['ip'], why: 'makes networks that lose packets' },
  { name: 'redis-server', purpose: 'bench', commands: ['redis-server'], why: 'holds the queues of BullMQ' },
  { name: 'nats-server', purpose: 'bench', commands: ['nats-server'], why: 'holds the queues of JetStream' },
  {
    name: 'slurm-wlm',
    purpose: 'bench',
    commands: ['slurmctld', 'slurmd', 'sinfo', 'sbatch', 'squeue'],
    why: 'is the controller that ours is compared with',
  },
  { name: 'munge', purpose: 'bench', commands: ['munged'], why: 'vouches for the users of Slurm' },
  { name: 'apt', purpose: 'machine', commands: ['apt-get'], why: 'installs and downloads packages' },
  { name: 'bash', purpose: 'machine', commands: ['bash'], why: 'reads what completes commands' },
  { name: 'dpkg', purpose: 'machine', commands: ['dpkg-deb'], why: 'unpacks packages' },
  { name: 'util-linux', purpose: 'machine', commands: ['nsenter', 'unshare'], why: 'makes namespaces' },
] as const satisfies readonly SystemPackage[];

/** The path of a command on the PATH or in the folders of root's PATH, which an ordinary user's PATH leaves out. */
export function findCommand(command: string, path = process.env.PATH ?? ''): string | undefined {
  const folders = [...path.split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'].filter(
    (folder) => folder !== '',
  );
  return folders.map((folder) => join(folder, command)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of a program of the table, which may be where its package alone puts it. */
export function findProgram(name: string, entry: SystemPackage): string | undefined {
  const unpacked = entry.unpacked === true ? [join(unpackedFolder(entry), 'usr', 'bin')] : [];
  return findCommand(name, [process.env.PATH ?? '', ...(entry.folders ?? []), ...unpacked].join(delimiter));
}

export const unpackedFolder = ({ name }: SystemPackage): string =>
  join(repositoryRoot, '.cache', 'programs', name);

export function missingPackages(...purposes: readonly Purpose[]): readonly SystemPackage[] {
  const table: readonly SystemPackage[] = systemPackages;
  return table.filter(
    (entry) =>
      purposes.includes(entry.purpose) &&
      entry.commands.some((name) => findProgram(name, entry) === undefined),
  );
}
