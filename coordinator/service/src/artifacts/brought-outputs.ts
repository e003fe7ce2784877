import { mkdir, open, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type AccountId, isAccountId, isSha256, type Sha256Hex } from '@capacloud/protocol/ids';

export interface BroughtOutput {
  readonly provider: AccountId;
  readonly sha256: Sha256Hex;
}

/**
 * What nodes brought, as empty files <folder>/<provider>/<sha256> that tell when. Their provider refers to it for a
 * while, so that the receipt that names it can be checked; the consumer of a succeeded task has a claim of their own.
 */
export class BroughtOutputs {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** `at` is Unix milliseconds. */
  async note({ provider, sha256 }: BroughtOutput, at: number): Promise<void> {
    await mkdir(join(this.#folder, provider), { recursive: true, mode: 0o700 });
    const path = join(this.#folder, provider, sha256);
    await (await open(path, 'a', 0o600)).close();
    await utimes(path, new Date(at), new Date(at));
  }

  async has({ provider, sha256 }: BroughtOutput): Promise<boolean> {
    return (await this.#noteOf(provider, sha256)) !== undefined;
  }

  async forget({ provider, sha256 }: BroughtOutput): Promise<void> {
    await rm(join(this.#folder, provider, sha256), { force: true });
  }

  /** What was brought before, at most `limit`. */
  async before(at: number, limit: number): Promise<readonly BroughtOutput[]> {
    const found: BroughtOutput[] = [];
    for (const provider of (await readdir(this.#folder).catch(ignoreMissing)) ?? []) {
      if (!isAccountId(provider)) continue;
      for (const sha256 of await readdir(join(this.#folder, provider))) {
        if (!isSha256(sha256)) continue;
        const noted = await this.#noteOf(provider, sha256);
        if (noted !== undefined && noted < at) found.push({ provider, sha256 });
        if (found.length >= limit) return found;
      }
    }
    return found;
  }

  async #noteOf(provider: AccountId, sha256: Sha256Hex): Promise<number | undefined> {
    return (await stat(join(this.#folder, provider, sha256)).catch(ignoreMissing))?.mtimeMs;
  }
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
