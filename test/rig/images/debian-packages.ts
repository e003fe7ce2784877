import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, requireCommand } from '../programs/command.ts';

const hint =
  'this needs a Debian or Ubuntu machine with apt-get and a reachable package mirror; elsewhere, let the Docker engine reach a registry instead';

interface PackageRequest {
  readonly packages: readonly string[];
  /** An ignored folder that may be emptied at any time. */
  readonly cacheDir: string;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Downloads packages and everything they depend on, as for a machine on which nothing is installed.
 * Needs no root, changes nothing on this machine. Returns the paths of the .deb files, sorted.
 */
export async function downloadDebianPackages(request: PackageRequest): Promise<string[]> {
  const { cacheDir, log } = request;
  const archives = join(cacheDir, 'archives');
  await mkdir(join(archives, 'partial'), { recursive: true });
  // An empty status file makes the closure the same on every machine, whatever is installed on this one.
  await writeFile(join(cacheDir, 'status'), '');
  try {
    await downloadWith(request, archives, []);
  } catch (error) {
    if (!(error instanceof CommandError) || error.code === 'command_missing') throw error;
    log("this machine's package lists are missing or out of date: fetching fresh ones into the cache");
    const lists = join(cacheDir, 'lists');
    await mkdir(join(lists, 'partial'), { recursive: true });
    const options = ['-o', `Dir::State::lists=${lists}`];
    await requireCommand({
      argv: ['apt-get', ...aptOptions(cacheDir), ...options, 'update'],
      hint,
      signal: request.signal,
    });
    await downloadWith(request, archives, options);
  }
  const files = await readdir(archives);
  return files
    .filter((file) => file.endsWith('.deb'))
    .sort()
    .map((file) => join(archives, file));
}

async function downloadWith(request: PackageRequest, archives: string, options: string[]): Promise<void> {
  const { packages, cacheDir, signal } = request;
  await requireCommand({
    argv: [
      'apt-get',
      ...aptOptions(cacheDir),
      ...options,
      '-o',
      `Dir::Cache::archives=${archives}`,
      'install',
      '--yes',
      '--download-only',
      '--no-install-recommends',
      ...packages,
    ],
    hint,
    signal,
  });
}

function aptOptions(cacheDir: string): string[] {
  return [
    '-o',
    `Dir::State::status=${join(cacheDir, 'status')}`,
    '-o',
    'Debug::NoLocking=1',
    '-o',
    'APT::Sandbox::User=root',
    '-o',
    'Acquire::Retries=2',
  ];
}
