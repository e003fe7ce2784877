import type { EventEmitter } from 'node:events';
import { toShownText } from '@capacloud/protocol/input/plain-text';
import type { extract } from 'tar-stream';

type Archive = ReturnType<typeof extract>;
export type Entry = Archive extends AsyncIterable<infer E> ? E : never;

/** Hands chunks to a reader of archives, no faster than it takes them. What fails ends the reader. */
export async function feed(chunks: AsyncIterable<Buffer>, archive: Archive): Promise<void> {
  try {
    for await (const chunk of chunks) {
      if (archive.destroyed) return;
      if (!archive.write(chunk)) await drained(archive);
    }
    archive.end(undefined);
  } catch (error) {
    archive.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

export async function drained(archive: EventEmitter): Promise<void> {
  const over = Promise.withResolvers<void>();
  archive.once('drain', over.resolve);
  archive.once('close', over.resolve);
  await over.promise;
  archive.off('drain', over.resolve);
  archive.off('close', over.resolve);
}

export function printable(text: string): string {
  return toShownText(text).replaceAll('\ufffd', '?');
}
