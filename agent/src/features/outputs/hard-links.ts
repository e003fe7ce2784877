import type { CollectedFile } from '../../core/ports.ts';

/**
 * Content of one archive by the names that hard links use. A file with several names has its content under the first, and
 * that may be one that cannot be kept: then the content waits for a better name.
 */
export class HardLinks {
  readonly #contents = new Map<string, { readonly file: CollectedFile; isPaid: boolean } | undefined>();
  #waitingLeftBytes: number;

  /** `waitingBytes`: how much content may wait. */
  constructor(waitingBytes: number) {
    this.#waitingLeftBytes = waitingBytes;
  }

  add(name: string, file: CollectedFile): void {
    this.#contents.set(name, { file, isPaid: true });
  }

  mayWait(sizeBytes: number): boolean {
    return sizeBytes <= this.#waitingLeftBytes;
  }

  addWaiting(name: string, file: CollectedFile): void {
    this.#waitingLeftBytes -= file.sizeBytes;
    // Two names that are not UTF-8 may read alike, and then nobody can tell which content a link means.
    this.#contents.set(name, this.#contents.has(name) ? undefined : { file, isPaid: false });
  }

  /** What it would cost to keep the content under one more name; undefined where there is none. */
  costOf(name: string): number | undefined {
    const found = this.#contents.get(name);
    if (found === undefined) return undefined;
    return found.isPaid ? 0 : found.file.sizeBytes;
  }

  take(name: string): CollectedFile | undefined {
    const found = this.#contents.get(name);
    if (found !== undefined) found.isPaid = true;
    return found?.file;
  }
}
