import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startCoordinator, type TestCoordinator } from '../testing/test-coordinator.ts';
import { openLogKey } from '../transparency/log-key.ts';
import { backUp } from './backup.ts';
import { restore } from './restore.ts';

let coordinator: TestCoordinator;
let dir: string;
beforeEach(async () => {
  coordinator = await startCoordinator();
  openLogKey(coordinator.dataDir, 'capacloud.test');
  dir = await mkdtemp(join(tmpdir(), 'capacloud-backup-'));
});
afterEach(async () => {
  await coordinator.close();
  await rm(dir, { recursive: true, force: true });
});

it('copies files only, names what else there is, and can be restored', async () => {
  const { dataDir } = coordinator;
  await writeFile(join(dir, 'outside'), 'not ours');
  for (const folder of ['snapshots', 'later', 'lost+found'])
    await mkdir(join(dataDir, folder), { recursive: true });
  await symlink(join(dir, 'outside'), join(dataDir, 'link'));
  await symlink(dir, join(dataDir, 'later', 'folder'));
  await symlink(join(dir, 'outside'), join(dataDir, 'snapshots', `${'0'.repeat(16)}.json`));
  const sockets = ['socket', 'later/socket'].map((name) => createServer().listen(join(dataDir, name)));
  await Promise.all(sockets.map((socket) => once(socket, 'listening')));
  for (const name of ['later/kept.state', '.nfs0001', 'a copy', 'manifest.json'])
    await writeFile(join(dataDir, name), 'kept');
  const taken = await backUp(dataDir, join(dir, 'one'), 1);
  expect(taken.leftOut).toEqual([
    '.nfs0001',
    'a copy',
    'later/folder',
    'later/socket',
    'link',
    `snapshots/${'0'.repeat(16)}.json`,
    'socket',
  ]);
  await restore(join(dir, 'one'), join(dir, 'restored'));
  for (const socket of sockets) socket.close();
  expect(await readFile(join(dir, 'restored', 'later', 'kept.state'), 'utf8')).toBe('kept');
});

it('is not in itself where it lies in the data folder', async () => {
  const { dataDir } = coordinator;
  for (const name of ['one', 'two']) await backUp(dataDir, join(dataDir, 'backups', name), 1);
  await expect(stat(join(dataDir, 'backups', 'two', 'backups'))).rejects.toThrow('ENOENT');
  await restore(join(dataDir, 'backups', 'two'), join(dir, 'restored'));
});

it('is refused where the key of the log is a link', async () => {
  const key = join(coordinator.dataDir, 'log.key');
  await copyFile(key, join(dir, 'log.key'));
  await rm(key);
  await symlink(join(dir, 'log.key'), key);
  await expect(backUp(coordinator.dataDir, join(dir, 'one'), 1)).rejects.toThrow('is no file');
});
