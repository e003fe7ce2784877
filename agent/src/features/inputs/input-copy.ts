import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Pack } from 'tar-stream';
import { PlacedFileMissing } from '../../core/placed-file.ts';
import type { PlacedInput } from '../../core/ports.ts';
import type { Engine } from '../../engine/engine.ts';
import { keeperPathOf, type PlannedMount } from '../../scratch/mount-plan.ts';

// Readable by every user, writable by none; the volume is mounted read-only besides.
const fileMode = 0o444;
const folderMode = 0o555;

interface SizedInput {
  readonly localPath: string;
  readonly parts: readonly string[];
  readonly sizeBytes: number;
}

/** Inputs that lie in the folder of `mount`, in the order of the job. */
export function inputsIn(mount: PlannedMount, inputs: readonly PlacedInput[]): readonly PlacedInput[] {
  return inputs.filter(({ target }) => keeperPathOf([mount], target) !== undefined);
}

export interface InputCopy {
  readonly mount: PlannedMount;
  readonly inputs: readonly PlacedInput[];
  readonly names: 'own' | 'numbers';
}

/**
 * Copies inputs through the keeper into the volume of `mount`, so that no path of the agent's is ever mounted. Inputs that
 * are mounted one by one are numbered instead of named.
 */
export async function copyInputs(
  engine: Engine,
  keeper: string,
  { mount, inputs, names }: InputCopy,
  signal: AbortSignal,
): Promise<void> {
  const sized: SizedInput[] = [];
  for (const input of inputsIn(mount, inputs)) {
    const parts =
      names === 'own' ? (keeperPathOf([mount], input.target)?.parts ?? []) : [String(sized.length)];
    sized.push(await measure(input, parts));
  }
  const totalBytes = sized.reduce((sum, input) => sum + input.sizeBytes, 0);
  const write = (archive: Pack, abortSignal: AbortSignal) => writeArchive(archive, sized, abortSignal);
  await engine.putArchive(keeper, { path: mount.keeperPath, sizeBytes: totalBytes, write }, signal);
}

/** Writes one small file into a folder of the keeper, as an input: everybody may read it, nobody write it. */
export async function copyText(
  engine: Engine,
  keeper: string,
  { folder, name, text }: { readonly folder: string; readonly name: string; readonly text: string },
  signal: AbortSignal,
): Promise<void> {
  const write = async (archive: Pack) => {
    archive.entry({ name, mode: fileMode, mtime: new Date(0) }, Buffer.from(text, 'latin1'));
    archive.finalize();
  };
  await engine.putArchive(keeper, { path: folder, sizeBytes: text.length, write }, signal);
}

async function measure(input: PlacedInput, parts: readonly string[]): Promise<SizedInput> {
  try {
    return { localPath: input.localPath, parts, sizeBytes: (await stat(input.localPath)).size };
  } catch (error) {
    throw new PlacedFileMissing(`the input for ${input.target} is not there`, { cause: error });
  }
}

async function writeArchive(
  archive: Pack,
  inputs: readonly SizedInput[],
  signal: AbortSignal,
): Promise<void> {
  const made = new Set<string>();
  for (const input of inputs) {
    for (let depth = 1; depth < input.parts.length; depth++) {
      const name = input.parts.slice(0, depth).join('/');
      if (made.has(name)) continue;
      made.add(name);
      archive.entry({ name, type: 'directory', mode: folderMode, mtime: new Date(0) });
    }
    const header = { name: input.parts.join('/'), size: input.sizeBytes, mode: fileMode, mtime: new Date(0) };
    const source =
      input.sizeBytes === 0 ? [] : createReadStream(input.localPath, { end: input.sizeBytes - 1 });
    await pipeline(source, archive.entry(header), { signal });
  }
  archive.finalize();
}
