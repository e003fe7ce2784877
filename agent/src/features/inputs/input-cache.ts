import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isSha256, type Sha256Hex } from '@capacloud/protocol/ids';
import { type CoordinatorHttp, TransferRefused } from '../../transfer/coordinator-http.ts';

interface Input {
  readonly sha256: Sha256Hex;
  readonly sizeBytes: number;
}

/** Downloads whose bytes do not match their hash, after which the input counts as unavailable. */
const maxMismatches = 3;

/** Inputs by their hash, on disk; the least recently used ones go when there is too much. */
export class InputCache {
  readonly #dir: string;
  readonly #limitBytes: number;
  readonly #http: CoordinatorHttp;
  /** Downloads under way: attempts that want the same bytes share one. */
  readonly #pending = new Map<Sha256Hex, Promise<string>>();

  constructor(dir: string, limitBytes: number, http: CoordinatorHttp) {
    this.#dir = dir;
    this.#limitBytes = limitBytes;
    this.#http = http;
  }

  pathOf(sha256: Sha256Hex): string {
    return join(this.#dir, sha256);
  }

  async has(input: Input): Promise<boolean> {
    return (await sizeOf(this.pathOf(input.sha256))) === input.sizeBytes;
  }

  /** The local path of the input. Throws TransferRefused when it cannot be had. */
  async fetch(input: Input, signal: AbortSignal): Promise<string> {
    for (;;) {
      const shared = this.#pending.get(input.sha256);
      if (shared !== undefined) {
        // The one who downloads may be stopped; then the next in line downloads.
        await shared.catch(() => {});
        signal.throwIfAborted();
        if (await this.has(input)) return this.pathOf(input.sha256);
        if (this.#pending.get(input.sha256) === shared) this.#pending.delete(input.sha256);
        continue;
      }
      const pending = this.#obtain(input, signal).finally(() => this.#pending.delete(input.sha256));
      this.#pending.set(input.sha256, pending);
      return await pending;
    }
  }

  /** Drops what was not used for longest until the rest is within the limit; never what is named in `keep`. */
  async trim(keep: ReadonlySet<string>): Promise<void> {
    const entries: { file: string; sizeBytes: number; usedMs: number }[] = [];
    for (const name of await readdir(this.#dir).catch(() => [])) {
      const file = join(this.#dir, name);
      const hash = name.replace(/\.part$/, '');
      if (!isSha256(hash) || keep.has(hash) || this.#pending.has(hash)) continue;
      const info = await stat(file).catch(() => undefined);
      if (info !== undefined) entries.push({ file, sizeBytes: info.size, usedMs: info.mtimeMs });
    }
    let total = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
    for (const entry of entries.sort((a, b) => a.usedMs - b.usedMs)) {
      if (total <= this.#limitBytes) return;
      await rm(entry.file, { force: true });
      total -= entry.sizeBytes;
    }
  }

  async #obtain(input: Input, signal: AbortSignal): Promise<string> {
    const path = this.pathOf(input.sha256);
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    if (!(await this.has(input))) {
      const part = `${path}.part`;
      for (let mismatches = 0; ; ) {
        await this.#download(input, part, signal);
        if ((await hashFile(part, signal)) === input.sha256) break;
        await rm(part, { force: true });
        mismatches += 1;
        if (mismatches >= maxMismatches) {
          throw new TransferRefused(
            200,
            'artifact.hash_mismatch',
            `the bytes of ${input.sha256} do not match it`,
            undefined,
          );
        }
      }
      await rename(part, path);
    }
    const now = new Date();
    await utimes(path, now, now);
    return path;
  }

  async #download(input: Input, part: string, signal: AbortSignal): Promise<void> {
    const prepare = async () => {
      let have = (await sizeOf(part)) ?? 0;
      if (have >= input.sizeBytes) {
        await rm(part, { force: true });
        have = 0;
      }
      const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {};
      return { method: 'GET', path: `/v1/artifacts/${input.sha256}`, headers } as const;
    };
    const take = async (response: Response) => {
      if (response.status !== 206) await truncate(part, 0).catch(() => {});
      let total = response.status === 206 ? ((await sizeOf(part)) ?? 0) : 0;
      const bounded = async function* (source: AsyncIterable<Uint8Array>) {
        for await (const chunk of source) {
          total += chunk.length;
          if (total > input.sizeBytes) throw new Error('the artifact is longer than announced');
          yield chunk;
        }
      };
      const target = createWriteStream(part, { flags: 'a', mode: 0o600 });
      await pipeline(response.body ?? [], bounded, target, { signal });
      if (total !== input.sizeBytes) throw new Error('the artifact is shorter than announced');
    };
    if (input.sizeBytes === 0) {
      await pipeline([], createWriteStream(part, { mode: 0o600 }));
      return;
    }
    await this.#http.download(prepare, take, signal);
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  return (await stat(file).catch(() => undefined))?.size;
}

async function hashFile(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { signal })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
