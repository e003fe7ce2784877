import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../engine/engine-error.ts';
import { runCommand } from './command.ts';
import { findCommand, type SystemPackage, unpackedFolder } from './system-packages.ts';

/** Installs with apt-get, or unpacks, saying so first. Throws EngineError where that cannot be done. */
export async function installPackages(
  packages: readonly SystemPackage[],
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const names = packages.map(({ name }) => name);
  const hint = `install by hand what gives these commands: ${packages.flatMap(({ commands }) => commands).join(', ')}`;
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
  for (const { name, unpacked, why } of packages)
    write(
      `capacloud: ${unpacked === true ? 'unpacking' : 'installing'} the Debian package ${name}, which ${why}\n`,
    );
  const run = async (program: 'apt-get' | 'dpkg-deb', args: readonly string[], cwd = '/'): Promise<void> => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
    const result = await runCommand(program, args, { cwd, env, output: 'capture' }, signal);
    signal.throwIfAborted();
    if (result.exitCode === 0) return;
    const problem = `${program} failed:\n${result.output.trimEnd()}`;
    throw new EngineError('install_failed', problem, `check the network, or ${hint}`);
  };
  const options = ['-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3'];
  // A fresh machine has no package lists, and old lists name files that are gone.
  await run('apt-get', [...options, 'update']);
  const installed = packages.filter(({ unpacked }) => unpacked !== true).map(({ name }) => name);
  if (installed.length > 0)
    await run('apt-get', [...options, 'install', '--yes', '--no-install-recommends', ...installed]);
  for (const entry of packages.filter(({ unpacked }) => unpacked === true)) {
    const folder = unpackedFolder(entry);
    const download = `${folder}.download`;
    rmSync(download, { recursive: true, force: true });
    mkdirSync(download, { recursive: true });
    await run('apt-get', [...options, '-o', 'APT::Sandbox::User=root', 'download', entry.name], download);
    for (const archive of readdirSync(download))
      await run('dpkg-deb', ['-x', join(download, archive), folder]);
    rmSync(download, { recursive: true, force: true });
  }
}
