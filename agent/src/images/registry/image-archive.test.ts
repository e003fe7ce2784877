import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { pack } from 'tar-stream';
import { expect, it } from 'vitest';
import { writeArchive } from './image-archive.ts';
import { PullRefused } from './pull-refused.ts';

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function tarOf(name: string): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name }, 'x'.repeat(10_000));
  archive.finalize();
  return await buffer(archive);
}

/** What becomes of an image with one layer, which comes in these pieces: the files in it, or why it is refused. */
async function write(pieces: readonly Buffer[], diffId: string): Promise<number | string> {
  const bytes = Buffer.concat(pieces);
  let files = 0;
  const layer = {
    descriptor: { digest: digestOf(bytes), size: bytes.length },
    diffId,
    open: async function* () {
      yield* pieces;
    },
  };
  const archive = pack();
  archive.resume();
  const nothing = () => undefined;
  const onUse = (use: { readonly files: number }) => {
    files += use.files;
  };
  const parts = {
    name: 'a:b',
    config: Buffer.from('{}'),
    layers: [layer],
    onBytes: nothing,
    onUse,
    onWait: nothing,
  };
  try {
    await writeArchive(archive, parts, new AbortController().signal);
    return files;
  } catch (error) {
    if (!(error instanceof PullRefused)) throw error;
    return error.failure.reason;
  } finally {
    archive.destroy();
  }
}

it('measures each layer as the engine unpacks it, in whatever pieces it comes', async () => {
  const tar = await tarOf('file');
  const packed = {
    none: tar,
    gzip: await promisify(gzip)(tar),
    zstd: await promisify(zstdCompress)(tar),
  };
  for (const [kind, bytes] of Object.entries(packed)) {
    const singly = [...bytes.subarray(0, 20)].map((byte) => Buffer.of(byte));
    for (const pieces of [[bytes], [...singly, bytes.subarray(20)]]) {
      expect(await write(pieces, digestOf(tar)), kind).toBe(1);
      // As if the bytes were what they unpack to: the engine would unpack them all the same.
      if (kind !== 'none') expect(await write(pieces, digestOf(bytes)), kind).toBe('image_invalid');
    }
  }
});

it('refuses what an engine might unpack and the agent does not', async () => {
  const tar = await tarOf('file');
  const heads = ['425a6839', 'fd377a585a00', '502a4d1800000000', '5f2a4d1800000000'];
  for (const head of heads) {
    const bytes = Buffer.concat([Buffer.from(head, 'hex'), tar.subarray(head.length / 2)]);
    expect(await write([bytes], digestOf(bytes)), head).toBe('image_invalid');
    expect(await write([bytes.subarray(0, 1), bytes.subarray(1)], digestOf(bytes)), head).toBe(
      'image_invalid',
    );
  }
  const bytes = Buffer.from('neither'.repeat(100));
  expect(await write([bytes], digestOf(bytes))).toBe('image_invalid');
});
