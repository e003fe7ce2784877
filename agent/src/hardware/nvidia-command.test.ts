import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { nvidiaCommand } from './nvidia-command.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-smi-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function install(folder: string, mode = 0o755): string {
  mkdirSync(join(dir, folder));
  const path = join(dir, folder, 'nvidia-smi');
  writeFileSync(path, '#!/bin/sh\n');
  chmodSync(path, mode);
  return path;
}

test('is looked for in the PATH first, then where drivers put it', () => {
  const folders = [join(dir, 'none'), join(dir, 'driver')];
  const env = { PATH: `relative:${join(dir, 'path')}` };
  expect(nvidiaCommand(env, folders)).toBe('nvidia-smi');
  const driver = install('driver');
  expect(nvidiaCommand(env, folders)).toBe(driver);
  const own = install('path');
  expect(nvidiaCommand(env, folders)).toBe(own);
});
