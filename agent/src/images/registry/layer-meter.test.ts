import { buffer } from 'node:stream/consumers';
import { type Header, pack } from 'tar-stream';
import { expect, it } from 'vitest';
import { LayerMeter } from './layer-meter.ts';

type Entry = readonly [Partial<Header> & { readonly name: string }, string?];

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const [header, content = ''] of entries) archive.entry(header, content);
  archive.finalize();
  return await buffer(archive);
}

/** As it comes in pieces of this size. */
function measure(bytes: Buffer, pieceBytes = bytes.length) {
  const sum = { bytes: 0, files: 0 };
  const meter = new LayerMeter((use) => {
    sum.bytes += use.bytes;
    sum.files += use.files;
  });
  for (let at = 0; at < bytes.length; at += pieceBytes) meter.take(bytes.subarray(at, at + pieceBytes));
  return sum;
}

/** The first header with other fields, and the sum that belongs to it. */
function altered(bytes: Buffer, alter: (header: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  alter(copy);
  copy.fill(' ', 148, 156);
  const sum = copy.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}

const page = 4096;

it('counts what a file system gives out, not what the archive has', async () => {
  const crumbs = Array.from({ length: 100 }, (_, index): Entry => [{ name: `crumb${index}` }, 'x']);
  expect(measure(await tarOf(crumbs))).toEqual({ bytes: 100 * page, files: 100 });
  const tree = Array.from({ length: 40 }, () => 'd').join('/');
  const deep = await tarOf([[{ name: `${tree}/one` }], [{ name: `${tree}/two` }], [{ name: 'three' }]]);
  expect(measure(deep)).toEqual({ bytes: 40 * page, files: 43 });
  const common = await tarOf([
    [{ name: 'bin/', type: 'directory' }],
    [{ name: 'bin/sh' }, 'x'.repeat(page + 1)],
    [{ name: 'bin/ash', type: 'link', linkname: 'bin/sh' }],
    [{ name: 'bin/bash', type: 'symlink', linkname: 'sh' }],
    [{ name: `bin/${'long'.repeat(60)}`, type: 'symlink', linkname: 'y'.repeat(200) }],
    [{ name: 'bin/ping', pax: { 'SCHILY.xattr.security.capability': 'some' } }, 'x'],
  ]);
  expect(measure(common)).toEqual({ bytes: (1 + 2 + 1 + 2) * page, files: 5 });
});

it('gives the same for pieces of any size', async () => {
  const tar = await tarOf([
    [{ name: `${'deep/'.repeat(40)}file`, pax: { comment: 'ü'.repeat(400) } }, 'x'.repeat(1500)],
    [{ name: 'next' }, 'x'.repeat(512)],
  ]);
  const whole = measure(tar);
  expect(whole.files).toBe(42);
  for (const pieceBytes of [1, 7, 511, 512, 513, 4096]) expect(measure(tar, pieceBytes)).toEqual(whole);
});

it('counts the size that a header tells before any of it came', async () => {
  const file = await tarOf([[{ name: 'large' }, 'x']]);
  const octal = altered(file, (header) => header.write('77777777777\0', 124, 'latin1'));
  expect(measure(octal)).toMatchObject({ bytes: 8 * 2 ** 30 });
  const binary = altered(file, (header) => header.write('80000000000000ffffffffff', 124, 'hex'));
  expect(measure(binary)).toMatchObject({ bytes: 2 ** 40 });
  const pax = await tarOf([[{ name: 'large', pax: { size: String(2 ** 40) } }, 'x']]);
  expect(measure(pax)).toMatchObject({ bytes: 2 ** 40 });
});

it('refuses what programs read in different ways, and files with holes', async () => {
  const file = await tarOf([[{ name: 'file' }, 'content']]);
  const odd: Readonly<Record<string, Buffer>> = {
    'no archive': Buffer.from('no archive'.repeat(100)),
    'a sum that does not fit': Buffer.concat([Buffer.from('g'), file.subarray(1)]),
    'a sparse file of old': altered(file, (header) => header.write('S', 156)),
    'a file in several volumes': altered(file, (header) => header.write('M', 156)),
    'a negative size': altered(file, (header) => header.fill(0xff, 124, 136)),
    'a size beyond all numbers': altered(file, (header) =>
      header.write('80ffffffffffffffffffffff', 124, 'hex'),
    ),
    'a size with words': altered(file, (header) => header.write('1 2', 124)),
    'a folder of old with content': altered(file, (header) => {
      header.write('file/', 0);
      header.write('\0', 156);
    }),
    'an attribute that is too long': altered(file, (header) => {
      header.write('x', 156);
      header.write('77777777777\0', 124);
    }),
    'something after the end': Buffer.concat([Buffer.alloc(512), file]),
    'a sparse file': await tarOf([[{ name: 'file', pax: { 'GNU.sparse.realsize': '9000000000000' } }, 'x']]),
    'a negative size in an attribute': await tarOf([[{ name: 'file', pax: { size: '-1' } }, 'x']]),
  };
  for (const [what, bytes] of Object.entries(odd))
    expect(() => measure(bytes), what).toThrow(expect.objectContaining({ name: 'OddLayer' }));
});
