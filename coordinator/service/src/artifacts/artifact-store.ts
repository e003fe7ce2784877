import { createReadStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type {
  ArtifactContent,
  ArtifactParty,
  ArtifactProgress,
  ArtifactStore,
} from '../ports/artifact-store.ts';
import type { ArtifactAccess } from './artifact-access.ts';
import { type Collected, collectUseless } from './artifact-collection.ts';
import type { BroughtOutputs } from './brought-outputs.ts';
import { progressOf, type StagedUpload, type Staging } from './staging.ts';
import type { StorageSpace } from './storage-space.ts';
import { Turns } from './turns.ts';
import { UploadDesk } from './upload-desk.ts';
import type { UploadRights } from './upload-rights.ts';

export interface StoreParts {
  readonly folder: string;
  readonly index: ArtifactIndex;
  readonly access: ArtifactAccess;
  readonly rights: UploadRights;
  readonly brought: BroughtOutputs;
  readonly space: StorageSpace;
  readonly staging: Staging;
  readonly now: () => number;
  /** Resolves when all that has happened so far is durable and claimed. */
  readonly settled: () => Promise<void>;
}

/**
 * Content-addressed files on the local disk: <folder>/content/ab/cd/<sha256>. A file is there only whole and
 * checked; what is on its way is in the staging folder.
 */
export class DiskArtifactStore implements ArtifactStore {
  readonly #parts: StoreParts;
  readonly #turns = new Turns();
  readonly #desk: UploadDesk;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#desk = new UploadDesk({
      ...parts,
      complete: (upload, refer) => this.#complete(upload, refer),
      accountProgress: (by, sha256) => this.#stored(by, sha256),
    });
  }

  /** Makes the folders and finds what an earlier run left. */
  async restore(): Promise<void> {
    const { brought, folder, rights, staging } = this.#parts;
    await mkdir(join(folder, 'content'), { recursive: true, mode: 0o700 });
    await brought.restore();
    await staging.restore((owner) => rights.payersOf(owner));
  }

  announce(by: ArtifactParty, sha256: Sha256Hex, sizeBytes: number): Promise<Result<ArtifactProgress>> {
    return this.#desk.announce(by, sha256, sizeBytes);
  }

  append(
    by: ArtifactParty,
    sha256: Sha256Hex,
    offset: number,
    body: Readable,
  ): Promise<Result<ArtifactProgress>> {
    return this.#desk.append(by, sha256, offset, body);
  }

  async status(by: ArtifactParty, sha256: Sha256Hex): Promise<ArtifactProgress | undefined> {
    const { brought, rights, staging } = this.#parts;
    const held = by.kind === 'node' ? await rights.heldBy(by) : [];
    for (const owner of rights.foldersOf(by, held)) {
      const upload = staging.get(owner, sha256);
      if (upload !== undefined) return progressOf(upload);
    }
    for (const attempt of held) {
      const size = brought.sizeOf([attempt], sha256);
      if (size !== undefined) return whole(sha256, size);
    }
    return await this.#stored(by, sha256);
  }

  async open(by: ArtifactParty, sha256: Sha256Hex): Promise<Result<ArtifactContent>> {
    const stored = await this.#stored(by, sha256);
    if (stored === undefined) {
      const status = await this.status(by, sha256);
      if (status === undefined || status.complete)
        return refuse('request.not_found', 'There is no such artifact.');
      const { offset, sizeBytes } = status;
      return refuse('artifact.incomplete', `${offset} of ${sizeBytes} bytes have been uploaded.`);
    }
    const path = this.#pathOf(sha256);
    return accept({
      sizeBytes: stored.sizeBytes,
      read: (start, end) => createReadStream(path, { start, end }),
    });
  }

  claimed(): Promise<void> {
    return this.#parts.access.claimed();
  }

  async release(by: ArtifactParty, sha256: Sha256Hex): Promise<Result<undefined>> {
    const { access, index, staging } = this.#parts;
    if (by.kind !== 'account') return refuse('auth.forbidden', 'Only an account releases its artifacts.');
    const upload = staging.get(by.account, sha256);
    if (upload !== undefined) await staging.discard(upload);
    const refs = await index.listRefs(sha256, by.account);
    if (upload === undefined && refs.length === 0)
      return refuse('request.not_found', 'There is no such artifact.');
    for (const { job } of refs)
      if (job !== undefined && (await access.isLive(job)))
        return refuse('request.conflict', `${job} still uses this artifact.`);
    for (const ref of refs) await index.removeRef(ref);
    return accept(undefined);
  }

  /** Drops uploads that nobody goes on with and content that nobody refers to. */
  collect(signal: AbortSignal): Promise<Collected> {
    return collectUseless(
      {
        ...this.#parts,
        turns: this.#turns,
        isAppending: (upload) => this.#desk.isAppending(upload),
        pathOf: (sha256) => this.#pathOf(sha256),
      },
      this.#parts.now(),
      signal,
    );
  }

  #pathOf(sha256: Sha256Hex): string {
    return join(this.#parts.folder, 'content', sha256.slice(0, 2), sha256.slice(2, 4), sha256);
  }

  /** Complete, and theirs to read. */
  async #stored(by: ArtifactParty, sha256: Sha256Hex): Promise<ArtifactProgress | undefined> {
    const { access, index } = this.#parts;
    const row = await index.get(sha256);
    if (row === undefined || !(await access.mayRead(by, sha256))) return undefined;
    if (!row.complete && !(await this.#completeMoved(sha256))) return undefined;
    return whole(sha256, row.sizeBytes);
  }

  /** All bytes are here: gives their hash where it is another one, and nothing is kept then. */
  async #complete(upload: StagedUpload, refer: () => Promise<void>): Promise<string | undefined> {
    const { index, staging } = this.#parts;
    const { sha256 } = upload;
    const found = await staging.finish(upload);
    if (found !== sha256) {
      await staging.discard(upload);
      return found;
    }
    const path = this.#pathOf(sha256);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await this.#turns.take(sha256, async () => {
      // The reference first: should the process end here, it is how the owner finds the file, and the collection too.
      await refer();
      await staging.moveTo(upload, path);
      await index.markComplete(sha256);
    });
    return undefined;
  }

  /** The process ended between the move of a checked file and the note of it. False when there is no such file. */
  #completeMoved(sha256: Sha256Hex): Promise<boolean> {
    return this.#turns.take(sha256, async () => {
      const file = await stat(this.#pathOf(sha256)).catch(() => undefined);
      if (file !== undefined) await this.#parts.index.markComplete(sha256);
      return file !== undefined;
    });
  }
}

function whole(sha256: Sha256Hex, sizeBytes: number): ArtifactProgress {
  return { sha256, sizeBytes, offset: sizeBytes, complete: true };
}
