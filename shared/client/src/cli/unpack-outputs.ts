import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import type { OutputFolder } from './output-folder.ts';

/** Calls back with each file that was written, and with what could not be. */
export interface UnpackEvents {
  readonly onFile: (path: string, file: string, sizeBytes: number) => void;
  readonly onUnfit: (error: unknown) => void;
}

/** Unpacks an archive of outputs, whose names are paths inside the container. What is no plain file is left out. */
export async function unpackOutputs(
  archive: string,
  folder: OutputFolder,
  { onFile, onUnfit }: UnpackEvents,
  signal: AbortSignal,
): Promise<void> {
  const entries = extract();
  const feeding = pipeline(createReadStream(archive), entries, { signal });
  const reading = (async () => {
    for await (const entry of entries) {
      const { name, size, type } = entry.header;
      if (type === 'file') {
        const path = `/${name.replace(/^\/+/, '')}`;
        try {
          onFile(path, await folder.write(path, entry as AsyncIterable<Uint8Array>), size);
        } catch (error) {
          signal.throwIfAborted();
          onUnfit(error);
        }
      }
      entry.resume();
    }
  })();
  await Promise.all([feeding, reading]);
}
