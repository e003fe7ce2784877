import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import type { OutputFolder } from './output-folder.ts';
import { DamagedArchive, isUnfit } from './unfit-output.ts';

/** An agent keeps no more files of an attempt. */
const maxPackedFiles = 20_000;

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
  let count = 0;
  const reading = (async () => {
    for await (const entry of entries) {
      if (++count > maxPackedFiles)
        throw new DamagedArchive(`the archive has more than ${maxPackedFiles} entries`);
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
  try {
    await Promise.all([feeding, reading]);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DamagedArchive || isUnfit(error)) throw error;
    // The library has no codes: what is not of the file system is the archive's.
    if (error instanceof Error && 'code' in error) throw error;
    throw new DamagedArchive(`the archive is damaged: ${error instanceof Error ? error.message : ''}`, {
      cause: error,
    });
  }
}
