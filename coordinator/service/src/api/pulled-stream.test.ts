import { once } from 'node:events';
import { expect, it } from 'vitest';
import { PulledStream } from './pulled-stream.ts';
import { wholeCharacters } from './task-log-handlers.ts';

it('takes from its source only what its reader has room for, and cuts off a reader that stalls', async () => {
  let made = 0;
  let stopped = false;
  async function* parts(signal: AbortSignal) {
    signal.addEventListener('abort', () => {
      stopped = true;
    });
    for (;;) {
      made += 1;
      yield 'x'.repeat(16 * 1024);
    }
  }
  const stream = new PulledStream(parts, 20);
  stream.read(1);
  const [error] = await once(stream, 'error');
  expect(error).toMatchObject({ message: 'the reader is too slow' });
  expect(made).toBeLessThan(10);
  expect(stopped).toBe(true);
});

it('gives everything to a reader that takes it, and passes a failure on', async () => {
  async function* parts() {
    yield 'a';
    yield Buffer.from('b');
  }
  let text = '';
  for await (const part of new PulledStream(parts, 1000)) text += (part as Buffer).toString();
  expect(text).toBe('ab');
  // oxlint-disable-next-line require-yield -- a source that fails before it gives anything
  async function* failing(): AsyncGenerator<string, void, void> {
    throw new Error('broken');
  }
  const read = async () => {
    for await (const part of new PulledStream(failing, 1000)) text += String(part);
  };
  await expect(read()).rejects.toThrow('broken');
});

it.each([
  ['ascii', [0x61, 0x62], 2],
  ['a whole euro', [0x61, 0xe2, 0x82, 0xac], 4],
  ['half a euro', [0x61, 0xe2, 0x82], 1],
  ['the start of four bytes', [0xf0], 0],
  ['what is not UTF-8 at all', [0x82, 0x82, 0x82, 0x82], 4],
  ['nothing', [], 0],
])('cuts text at whole characters: %s', (_, bytes, whole) => {
  expect(wholeCharacters(Uint8Array.from(bytes))).toBe(whole);
});
