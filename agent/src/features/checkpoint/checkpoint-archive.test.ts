import { extract, type Header, pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { ArchiveRefused, type RepackRules, repack } from './checkpoint-archive.ts';

type Item = Partial<Header> & { readonly name: string; readonly content?: string };

const { signal } = new AbortController();
const rules: RepackRules = {
  maxBytes: 1000,
  owner: { uid: 65_532, gid: 65_533 },
  leadingParts: 0,
  odd: 'refuse',
};
const mtime = new Date(1_000_000_000_000);

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}
async function archiveOf(items: readonly Item[]): Promise<Buffer> {
  const archive = pack();
  const bytes = bytesOf(archive as AsyncIterable<Buffer>);
  for (const { content, ...header } of items) archive.entry({ mtime, ...header }, content ?? '');
  archive.finalize();
  return await bytes;
}
async function* inPieces(
  bytes: Buffer,
  pieceBytes = bytes.length > 1e6 ? 65_536 : 700,
): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
interface Seen {
  readonly header: Header;
  readonly content: string;
}
async function read(bytes: Buffer): Promise<readonly Seen[]> {
  const archive = extract();
  archive.end(bytes);
  const seen: Seen[] = [];
  for await (const entry of archive) {
    const content = (await bytesOf(entry as AsyncIterable<Buffer>)).toString();
    seen.push({ header: entry.header, content });
  }
  return seen;
}
async function repacked(items: readonly Item[] | Buffer, change: Partial<RepackRules> = {}) {
  const bytes = Buffer.isBuffer(items) ? items : await archiveOf(items);
  const into = pack();
  const written = bytesOf(into as AsyncIterable<Buffer>);
  const entries = await repack(inPieces(bytes), into, { ...rules, ...change }, signal).catch(
    async (error: unknown) => {
      into.destroy();
      await written.catch(() => {});
      throw error;
    },
  );
  return { entries, bytes: await written, seen: await read(await written) };
}
const directory = (name: string): Item => ({ name, type: 'directory', mode: 0o755 });

describe('an archive that is packed anew', () => {
  it('keeps content, permissions and times, and has the owner that is named', async () => {
    const long = `a/${'x'.repeat(250)}`;
    const { entries, seen } = await repacked([
      { ...directory('a'), mode: 0o700 },
      { name: 'a/run', content: '#!/bin/sh\n', mode: 0o751, uid: 5, gid: 6, uname: 'root' },
      { name: 'a/empty', mode: 0o600 },
      { name: long, content: 'y'.repeat(900), mode: 0o640 },
      { name: 'größe 1.bin', content: 'z', mode: 0o644 },
    ]);
    expect(entries).toBe(5);
    const plain = seen.map(({ header, content }) => [header.name, header.type, header.mode, content]);
    expect(plain).toEqual([
      ['a', 'directory', 0o700, ''],
      ['a/run', 'file', 0o751, '#!/bin/sh\n'],
      ['a/empty', 'file', 0o600, ''],
      [long, 'file', 0o640, 'y'.repeat(900)],
      ['größe 1.bin', 'file', 0o644, 'z'],
    ]);
    for (const { header } of seen)
      expect(header).toMatchObject({ uid: 65_532, gid: 65_533, uname: '', mtime });
  });

  it('is the same when it is packed again', async () => {
    const once = await repacked([directory('a'), { name: `a/${'ü'.repeat(120)}`, content: 'y' }]);
    expect((await repacked(once.bytes)).bytes).toEqual(once.bytes);
  });

  it('names an owner that a plain header has no room for', async () => {
    const { seen } = await repacked([{ name: 'a' }], { owner: { uid: 2 ** 31 - 1, gid: 7 } });
    expect(seen[0]?.header.pax).toMatchObject({ uid: '2147483647', gid: '7' });
  });

  it('has neither setuid nor attributes, nor a time that no file has', async () => {
    const pax = { 'SCHILY.xattr.security.capability': 'x', 'GNU.sparse.major': '1' };
    const { seen } = await repacked([
      { name: 'a', mode: 0o7755, pax, content: 'a' },
      { ...directory('b'), mode: 0o3777 },
      { name: 'c', mtime: new Date(-1000) },
    ]);
    expect(seen.map(({ header }) => header.mode)).toEqual([0o755, 0o777, 0o644]);
    expect(seen[0]?.header.pax).toBeNull();
    expect(seen[2]?.header.mtime).toEqual(new Date(0));
  });

  it('may be looked at without being written', async () => {
    const bytes = await archiveOf([directory('a'), { name: 'a/b', content: 'x'.repeat(999) }]);
    expect(await repack(inPieces(bytes), undefined, rules, signal)).toBe(2);
    const many = { ...rules, maxBytes: 998 };
    await expect(repack(inPieces(bytes), undefined, many, signal)).rejects.toThrow(ArchiveRefused);
  });
});

const odd: readonly [string, readonly Item[]][] = [
  ['a symbolic link', [{ name: 'x', type: 'symlink', linkname: '/etc/passwd' }]],
  ['a hard link', [{ name: 'f' }, { name: 'x', type: 'link', linkname: 'f' }]],
  ['a device', [{ name: 'x', type: 'character-device', devmajor: 1, devminor: 3 }]],
  ['a disk', [{ name: 'x', type: 'block-device', devmajor: 8, devminor: 0 }]],
  ['a pipe', [{ name: 'x', type: 'fifo' }]],
  ['a name that leads out', [{ name: '../x' }]],
  ['a name that leads out further down', [directory('a'), { name: 'a/../../x' }]],
  ['an absolute name', [{ name: '/x' }]],
  ['the folder itself', [{ name: '../../container/', type: 'directory' }]],
  ['a name with a dot for a part', [{ name: './x' }]],
  ['a name with an empty part', [directory('a'), { name: 'a//x' }]],
  ['a control character', [{ name: 'x\u001b[2J' }]],
  ['a line break', [{ name: 'x\ny', content: '' }]],
  ['a part that no file system takes', [{ name: 'x'.repeat(256) }]],
  ['a name that is twice there', [{ name: 'f' }, { name: 'f' }]],
  ['a file below a file', [{ name: 'f' }, { name: 'f/x' }]],
  ['a file without its folder', [{ name: 'a/x' }]],
];

describe.each(odd)('%s', (_, items) => {
  // ISOLATE-4
  it('is refused where the archive is of another', async () => {
    await expect(repacked(items)).rejects.toThrow(ArchiveRefused);
  });
  it('is left out of an own archive, and nothing else', async () => {
    const below = items.map((item) => ({ ...item, name: `s0/${item.name}` }));
    const { seen } = await repacked([directory('s0/'), ...below, { name: 's0/last', content: 'x' }], {
      odd: 'leave out',
      leadingParts: 1,
    });
    const fit = items.slice(0, -1).map((item) => item.name);
    expect(seen.map(({ header }) => header.name)).toEqual([...fit, 'last']);
  });
});

describe('bounds', () => {
  const deep = (depth: number) =>
    Array.from({ length: depth }, (_, at) => directory(Array.from({ length: at + 1 }, () => 'd').join('/')));
  const many = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ name: `${at}`, content: at < 3 ? 'x' : '' }));

  it('ends at so many entries, whoever made them', async () => {
    expect((await repacked(many(20_000))).entries).toBe(20_000);
    const bytes = await archiveOf(many(20_001));
    for (const how of ['refuse', 'leave out'] as const)
      await expect(repacked(bytes, { odd: how })).rejects.toThrow('more than 20000 entries');
  });
  it('ends at so many bytes, whoever made them', async () => {
    const items = [
      { name: 'a', content: 'x'.repeat(500) },
      { name: 'b', content: 'x'.repeat(501) },
    ];
    for (const how of ['refuse', 'leave out'] as const)
      await expect(repacked(items, { odd: how })).rejects.toThrow('more than 1000 bytes');
    expect((await repacked(items, { maxBytes: 1001 })).entries).toBe(2);
  });
  it('ends at a depth', async () => {
    expect((await repacked(deep(64))).entries).toBe(64);
    await expect(repacked(deep(65))).rejects.toThrow('too long');
  });
  it('takes a size for its word, not for bytes that never come', async () => {
    const bytes = await archiveOf([{ name: 'a', content: 'x'.repeat(900) }]);
    await expect(repacked(bytes.subarray(0, 1000))).rejects.toThrow();
    await expect(repacked(Buffer.from('no archive '.repeat(200)))).rejects.toThrow();
    expect((await repacked(Buffer.alloc(1024))).entries).toBe(0);
  });
  it('ends with what reading fails with', async () => {
    const failing = async function* () {
      yield (await archiveOf([{ name: 'a', content: 'x' }])).subarray(0, 600);
      throw new Error('the disk failed');
    };
    await expect(repack(failing(), undefined, rules, signal)).rejects.toThrow('the disk failed');
  });
});
