import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runCommand } from '../command.ts';
import { EngineError } from './engine-error.ts';

/** What a package is for: to run a Docker engine of our own, for the tests themselves, or to hurt a network. */
type Purpose = 'engine' | 'tests' | 'chaos';

export interface SystemPackage {
  /** Name in Debian. */
  readonly name: string;
  readonly purpose: Purpose;
  /** The command that shows that it is there, wherever it came from. */
  readonly command: string;
  /** Where else the command may be than where commands are. */
  readonly folders?: readonly string[];
  readonly why: string;
}

/** Everything outside of node_modules that a test run uses. Extend this table, and nothing else. */
const systemPackages: readonly SystemPackage[] = [
  { name: 'docker.io', purpose: 'engine', command: 'dockerd', why: 'runs the containers' },
  { name: 'iptables', purpose: 'engine', command: 'iptables', why: 'carries container networks' },
  {
    name: 'busybox-static',
    purpose: 'tests',
    command: 'busybox',
    why: 'makes the test images, as nothing is pulled',
  },
  {
    name: 'docker-compose',
    purpose: 'tests',
    command: 'docker-compose',
    // Docker's own packages have it as a plugin.
    folders: ['/usr/libexec', '/usr/lib', '/usr/local/libexec', '/usr/local/lib'].map(
      (folder) => `${folder}/docker/cli-plugins`,
    ),
    why: 'starts the images as compose.yaml says',
  },
  { name: 'e2fsprogs', purpose: 'tests', command: 'mkfs.ext4', why: 'makes small disks that fill up' },
  { name: 'faketime', purpose: 'chaos', command: 'faketime', why: 'gives processes a wrong clock' },
  { name: 'iproute2', purpose: 'chaos', command: 'ip', why: 'makes networks that lose packets' },
];

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

export function missingPackages(purpose: Purpose): readonly SystemPackage[] {
  return systemPackages.filter((entry) => {
    const path = [process.env.PATH ?? '', ...(entry.folders ?? [])].join(delimiter);
    return entry.purpose === purpose && findCommand(entry.command, path) === undefined;
  });
}

/** Installs with apt-get, saying so first. Throws EngineError where that cannot be done. */
export async function installPackages(
  packages: readonly SystemPackage[],
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const names = packages.map(({ name }) => name);
  const hint = `install by hand what gives these commands: ${packages.map(({ command }) => command).join(', ')}`;
  if (!existsSync('/etc/debian_version') || findCommand('apt-get') === undefined) {
    throw new EngineError(
      'not_debian',
      `missing: ${names.join(', ')}; only Debian's can be installed from here`,
      hint,
    );
  }
  if (process.getuid?.() !== 0) {
    throw new EngineError(
      'not_root',
      `missing: ${names.join(', ')}; installing needs root`,
      `run as root, or ${hint}`,
    );
  }
  for (const { name, why } of packages)
    write(`capacloud: installing the Debian package ${name}, which ${why}\n`);
  const options = ['-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // A fresh machine has no package lists, and old lists name files that are gone.
  const commands = [
    [...options, 'update'],
    [...options, 'install', '--yes', '--no-install-recommends', ...names],
  ];
  for (const args of commands) {
    const result = await runCommand('apt-get', args, { cwd: '/', env, output: 'capture' }, signal);
    signal.throwIfAborted();
    if (result.exitCode !== 0) {
      throw new EngineError(
        'install_failed',
        `apt-get failed:\n${result.output.trimEnd()}`,
        `check the network, or ${hint}`,
      );
    }
  }
}
