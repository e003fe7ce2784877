import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OutputFolder, UnsafePath } from './output-folder.ts';

let dir: string;
let root: string;
let folder: OutputFolder;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'capacloud-get-'));
  root = join(dir, 'job', '0');
  folder = new OutputFolder(root);
});
afterEach(() => rm(dir, { recursive: true }));

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from(text));
}

test.each(['/..', '/out/../x', '..', '/out/./x', '', '/', '/out/\0'])(
  'no file is made for %j',
  async (path) => {
    await expect(folder.write(path, bytes('x'))).rejects.toThrow(UnsafePath);
    await expect(folder.link(path, 'x')).rejects.toThrow(UnsafePath);
    expect(await readdir(dir)).toEqual([]);
  },
);

test('a link leads to what lies in the folder, and works', async () => {
  await folder.write('/out/blobs/1234', bytes('data'));
  await folder.link('/out/snapshots/abc/config.json', '../../blobs/1234');
  await folder.link('/out/latest', 'snapshots');
  await folder.link('/out/to-empty', 'empty');
  expect(await readFile(join(root, 'out/latest/abc/config.json'), 'utf8')).toBe('data');
  expect(await readdir(join(root, 'out/to-empty'))).toEqual([]);
  // Made again, it is what it was; and another one takes its place.
  await folder.link('/out/latest', 'snapshots');
  await folder.link('/out/latest', 'blobs');
  expect(await readlink(join(root, 'out/latest'))).toBe('blobs');
});

test.each(['/etc', '../..', '../../x', 'sub/../../../x', '../../../0/out', '..//../0'])(
  'no link is made to %s',
  async (target) => {
    await folder.write('/out/sub/x', bytes('x'));
    await expect(folder.link('/out/l', target)).rejects.toThrow(UnsafePath);
    expect(await readdir(join(root, 'out'))).toEqual(['sub']);
    expect(await readdir(dir)).toEqual(['job']);
  },
);

test('nothing is written through a link, whoever made it', async () => {
  await mkdir(join(dir, 'other'));
  await mkdir(join(root, 'out'), { recursive: true });
  await symlink(join(dir, 'other'), join(root, 'out', 'away'));
  await writeFile(join(dir, 'other', 'mine'), 'mine');
  await expect(folder.write('/out/away/x', bytes('x'))).rejects.toThrow(UnsafePath);
  await expect(folder.link('/out/away/l', 'x')).rejects.toThrow(UnsafePath);
  // Nor may a link lead on by one: where it ends is not for its text to say.
  await expect(folder.link('/out/l', 'away')).rejects.toThrow(UnsafePath);
  await expect(folder.link('/out/l', 'away/mine')).rejects.toThrow(UnsafePath);
  await symlink(join(dir, 'other', 'mine'), join(root, 'out', 'file'));
  await symlink(join(dir, 'other', 'mine'), join(root, 'out', 'file.part'));
  await folder.write('/out/file', bytes('theirs'));
  expect(await readFile(join(dir, 'other', 'mine'), 'utf8')).toBe('mine');
  expect((await lstat(join(root, 'out', 'file'))).isFile()).toBe(true);
  expect(await readdir(join(dir, 'other'))).toEqual(['mine']);
});

test('a link does not take the place of a file', async () => {
  await folder.write('/out/a', bytes('a'));
  await folder.write('/out/b', bytes('b'));
  await expect(folder.link('/out/a', 'b')).rejects.toThrow(UnsafePath);
  expect(await readFile(join(root, 'out/a'), 'utf8')).toBe('a');
});
