import { posix } from 'node:path';
import { own, type Sentence, say } from '../core/sentence.ts';

/** Each declared volume is a mount with memory of its own, so their number is bounded. */
export const maxImageVolumes = 16;

/** Why no container could have the folders that an image declares as volumes; undefined where one could. */
export function volumesFault(folders: readonly string[]): Sentence | undefined {
  if (folders.length > maxImageVolumes) return say`The image declares more than ${maxImageVolumes} volumes.`;
  const plain = folders.map(plainFolder);
  if (new Set(plain).size < plain.length) return say`The image declares one folder as a volume twice.`;
  const odd = folders.find((folder) => {
    const path = posix.normalize(folder);
    return !path.startsWith('/') || path === '/' || isKernels(path);
  });
  return odd === undefined
    ? undefined
    : say`The image declares ${own(odd)} as a volume, which no container can have.`;
}

/** As the engine spells it when it compares. */
export function plainFolder(folder: string): string {
  return posix.normalize(folder).replace(/\/+$/, '');
}

/** Folders that the kernel and the engine fill; shared memory is mounted there anyway. */
function isKernels(path: string): boolean {
  return /^\/(proc|sys|dev)(\/|$)/.test(path) && !/^\/dev\/shm\/?$/.test(path);
}
