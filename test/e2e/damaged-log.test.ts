import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AccountId } from '@capacloud/protocol/ids';
import { createCoordinator, type LocalCoordinator } from '@capacloud/rig/network/local-network';
import { runCommand } from '@capacloud/rig/network/network-rig';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import { afterEach, beforeEach, expect, it } from 'vitest';

const main = join(repositoryRoot, 'coordinator', 'service', 'dist', 'main.js');
let dir: string;
let coordinator: LocalCoordinator;
let wal: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cc-damaged-'));
  coordinator = await createCoordinator({ dir, name: 'damaged.test', settings: { log_level: 'warn' } });
  wal = join(coordinator.dataDir, 'coordinator.db-wal');
});
afterEach(async () => {
  await coordinator.process.kill();
  await rm(dir, { recursive: true, force: true });
});

/** Fills the write-ahead log, shows the head of the log to somebody, and kills the process. Gives the head's size. */
async function killWithFullWal(): Promise<number> {
  for (let n = 0; n < 6; n++) await coordinator.openAccount(`acc_${n}` as AccountId, 1000n);
  const note = await (await fetch(`${coordinator.url}/v1/log/checkpoint`)).text();
  const size = Number(note.split('\n')[1]);
  expect(size).toBeGreaterThan(10);
  await coordinator.process.kill();
  return size;
}

it('starts after a kill, and again after another', async () => {
  const size = await killWithFullWal();
  await coordinator.start();
  const note = await (await fetch(`${coordinator.url}/v1/log/checkpoint`)).text();
  expect(Number(note.split('\n')[1])).toBeGreaterThanOrEqual(size);
  await coordinator.process.kill();
  await coordinator.start();
});

const harms: readonly (readonly [string, () => Promise<void>])[] = [
  [
    'one byte of the write-ahead log has flipped',
    async () => {
      const bytes = await readFile(wal);
      const middle = Math.floor(bytes.length / 2);
      bytes[middle] = (bytes[middle] ?? 0) ^ 1;
      await writeFile(wal, bytes);
    },
  ],
  ['the write-ahead log is empty', () => truncate(wal, 0)],
  ['the write-ahead log is gone', () => rm(wal)],
  [
    'the database is gone as well',
    async () => {
      await rm(wal);
      await rm(join(coordinator.dataDir, 'coordinator.db'));
    },
  ],
];

it.each(harms)('does not start after a kill when %s, and writes nothing', async (_, harm) => {
  const size = await killWithFullWal();
  await harm();
  const harmed = existsSync(wal) ? await readFile(wal) : undefined;
  const started = await runCommand([main, 'serve', '--config', join(dir, 'coordinator.yaml')]);
  expect(started).toMatchObject({ code: 1, stderr: expect.stringContaining('(log.damaged)\nhint: ') });
  expect(started.stderr).toContain(`there is a high-water mark of ${size}`);
  if (harmed !== undefined) expect(await readFile(wal)).toEqual(harmed);
});

it('restores a backup beside the damaged folder and starts on it', async () => {
  await killWithFullWal();
  const backup = join(dir, 'backup');
  expect(await runCommand([main, 'backup', backup, '--data-dir', coordinator.dataDir])).toMatchObject({
    code: 0,
  });
  await truncate(wal, 0);
  await rm(coordinator.dataDir, { recursive: true });
  expect(await runCommand([main, 'restore', backup, '--data-dir', coordinator.dataDir])).toMatchObject({
    code: 0,
  });
  expect((await stat(coordinator.dataDir)).mode & 0o077).toBe(0);
  await coordinator.start();
});
