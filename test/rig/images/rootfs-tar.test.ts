import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { writeRootfsTar } from './rootfs-tar.ts';

test('a package that cannot be read is told once, by whoever asked for the archive', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cc-rootfs-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  const { signal } = new AbortController();
  const writing = writeRootfsTar({
    debs: [join(folder, 'none.deb')],
    exclude: [],
    entries: [],
    file: join(folder, 'rootfs.tar'),
    signal,
  });
  await expect(writing).rejects.toThrow('dpkg-deb');
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
});
