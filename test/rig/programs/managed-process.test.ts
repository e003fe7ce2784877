import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { takeUnheardErrors } from './child-errors.ts';
import { ManagedProcess, waitUntil } from './managed-process.ts';
import { type ProgramFile, programPath, thisNode } from './programs.ts';

const folder = mkdtempSync(join(tmpdir(), 'capacloud-managed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const nothing = '/no/such/program' as ProgramFile;
const processOf = (command: ProgramFile, ...args: string[]) =>
  new ManagedProcess({ name: 'the child', command, args, logFile: join(folder, 'child.log') });
/** Longer than the test may take: the wait has to end by itself. */
const forLong = { timeoutMs: 600_000 };

test('who waits for a child hears at once that it ended, and how', async () => {
  const child = processOf(thisNode, '-e', "console.log('no disk'); process.exitCode = 3");
  child.start();
  await expect(waitUntil('an answer', () => false, { ...forLong, process: child })).rejects.toThrow(
    /^the child ended with exit code 3:\nno disk$/,
  );
});

test('who waits for a child hears at once that it could not start', async () => {
  const child = processOf(nothing);
  child.start();
  await expect(waitUntil('an answer', () => false, { ...forLong, process: child })).rejects.toThrow(/ENOENT/);
});

test('a program of the table that is missing is refused by the name of its package', () => {
  const { PATH } = process.env;
  process.env.PATH = folder;
  try {
    expect(() => programPath('faketime')).toThrow(
      'the program faketime is not installed: the Debian package faketime has it',
    );
  } finally {
    process.env.PATH = PATH;
  }
});

test('the error of a child that nobody listens to is kept for the end of its test, and no other', async () => {
  const lonely = spawn(nothing);
  await new Promise((resolve) => lonely.once('close', resolve));
  expect(takeUnheardErrors()).toEqual([expect.objectContaining({ code: 'ENOENT' })]);
  const heard = new Promise((resolve) => execFile(nothing, resolve));
  expect(await heard).toMatchObject({ code: 'ENOENT' });
  expect(takeUnheardErrors()).toEqual([]);
});
