import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { AttemptKey } from '../core/ports.ts';
import { containerName, keyOfName } from '../engine/attempt-names.ts';
import { scratchInodes } from './mount-plan.ts';
import type { ScratchBackend } from './scratch-backend.ts';

const run = promisify(execFile);
const commandTimeoutMs = 60_000;
const inodeBytes = 256;
const slackBytes = 4 * 2 ** 20;

async function runCommand(command: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  const { stdout } = await run(command, [...args], { signal, timeout: commandTimeoutMs, maxBuffer: 2 ** 20 });
  return stdout.trim();
}

/**
 * Whether scratch can live in loop devices: the agent is root on the engine's own host and the programs are there.
 */
export async function canUseLoopScratch(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  try {
    await access('/dev/loop-control', constants.R_OK | constants.W_OK);
    await Promise.all([run('mkfs.ext4', ['-V']), run('losetup', ['--version']), run('debugfs', ['-V'])]);
    return true;
  } catch {
    return false;
  }
}

/**
 * Scratch in an ext4 image under `directory`, attached to a loop device. The engine mounts the device itself (local
 * volume of type ext4), so the agent may live in a mount namespace of its own and nothing of it stays mounted when
 * it is killed. What is left then is found by the file's name.
 */
export function loopScratch(directory: string): ScratchBackend {
  return {
    inMemory: false,
    async provide(mount, user, signal) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const file = join(directory, `${mount.volume}.img`);
      const inodes = scratchInodes(mount.sizeBytes);
      const handle = await open(file, 'w', 0o600);
      try {
        // Room for ext4's own tables, so that the program gets what it asked for.
        await handle.truncate(Math.ceil(mount.sizeBytes * 1.03) + inodes * inodeBytes + slackBytes);
      } finally {
        await handle.close();
      }
      const owner = `root_owner=${user.uid}:${user.gid},lazy_itable_init=1,nodiscard`;
      const features = [
        '-O',
        '^has_journal,^resize_inode',
        '-m',
        '0',
        '-I',
        String(inodeBytes),
        '-N',
        String(inodes),
      ];
      await runCommand('mkfs.ext4', ['-q', '-F', ...features, '-E', owner, file], signal);
      // It would show up among the outputs, owned by root.
      await runCommand('debugfs', ['-w', '-R', 'rmdir lost+found', file], signal);
      const device = await runCommand('losetup', ['--find', '--show', '--nooverlap', file], signal);
      return { type: 'ext4', device, o: 'nosuid,nodev' };
    },
    async entrust(key, signal) {
      // The kernel detaches a device that is in use when its last user goes: so none is left behind by an agent
      // that never comes back, nor by one whose state folder is deleted.
      for (const file of await imagesOf(directory, key)) await detach(file, signal);
    },
    async release(key, signal) {
      for (const file of await imagesOf(directory, key)) {
        await detach(file, signal);
        await rm(file, { force: true });
      }
    },
    async leftovers() {
      const keys = (await listImages(directory)).map((name) => keyOfName(name));
      return keys.filter((key) => key !== undefined);
    },
  };
}

async function detach(file: string, signal: AbortSignal): Promise<void> {
  const attached = await runCommand('losetup', ['--noheadings', '--output', 'NAME', '-j', file], signal);
  for (const device of attached.split('\n').map((line) => line.trim())) {
    if (device !== '') await runCommand('losetup', ['--detach', device], signal);
  }
}

async function listImages(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

async function imagesOf(directory: string, key: AttemptKey): Promise<readonly string[]> {
  const prefix = `${containerName(key)}-out`;
  const images = await listImages(directory);
  return images.filter((name) => name.startsWith(prefix)).map((name) => join(directory, name));
}
