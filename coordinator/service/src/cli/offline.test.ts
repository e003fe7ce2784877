import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readConfig } from '../config/config.ts';
import { DataError } from '../store/data-error.ts';
import { temporaryFolder } from '../testing/workload.ts';
import { changeOffline, listIsolated } from './offline.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => {
  folder[Symbol.dispose]();
});

function configOf(dataDir: string) {
  const config = readConfig({
    file: undefined,
    env: {},
    flags: { data_dir: dataDir, name: 'a.test' },
    cwd: folder.path,
  });
  return config.ok ? config.value : expect.fail(config.refusal.message);
}

it('begins no log where there is none, and does not say that nothing is isolated', async () => {
  for (const name of ['none', 'empty']) {
    const dataDir = join(folder.path, name);
    if (name === 'empty') mkdirSync(dataDir);
    const config = configOf(dataDir);
    for (const verb of [() => listIsolated(config), () => changeOffline(config, 'reinstate', 'node_x')]) {
      const error: unknown = await verb().catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(DataError);
      expect(error).toMatchObject({
        code: 'log.unavailable',
        message: `${dataDir} holds no log of a coordinator.`,
      });
    }
  }
  expect(readdirSync(folder.path)).toEqual(['empty']);
  expect(readdirSync(join(folder.path, 'empty'))).toEqual([]);
});

it('tells a start that was killed before its first entry, and the file of another program', async () => {
  writeFileSync(join(folder.path, 'coordinator.db'), '');
  await expect(listIsolated(configOf(folder.path))).rejects.toMatchObject({ code: 'log.unavailable' });
  const other = join(folder.path, 'other');
  mkdirSync(other);
  writeFileSync(join(other, 'coordinator.db'), 'x'.repeat(8192));
  await expect(listIsolated(configOf(other))).rejects.toMatchObject({ code: 'log.foreign' });
});
