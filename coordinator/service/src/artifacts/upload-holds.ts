import type { Readable } from 'node:stream';
import type { HoldCause } from '@capacloud/core/contract/event';
import type { AccountId, Sha256Hex } from '@capacloud/protocol/ids';
import type { Refusal, Result } from '@capacloud/protocol/result';
import { apiLimits } from '@capacloud/protocol/routes/routes';
import type { AttemptRef } from '@capacloud/protocol/wire/frames';
import type {
  ArtifactContent,
  ArtifactParty,
  ArtifactProgress,
  ArtifactStore,
} from '../ports/artifact-store.ts';
import type { ArtifactQuestions } from '../ports/questions.ts';
import type { Submitter } from '../ports/sequencer.ts';
import type { StorageSpace } from './storage-space.ts';
import type { StoreAlarm } from './store-alarm.ts';
import type { NodeParty } from './upload-rights.ts';

export interface HoldParts {
  readonly store: ArtifactStore;
  readonly space: StorageSpace;
  readonly questions: Pick<ArtifactQuestions, 'heldBy' | 'heldUploads'>;
  readonly submitter: Pick<Submitter, 'submit'>;
  readonly alarm: StoreAlarm;
  readonly now: () => number;
}

const causes: Partial<Record<Refusal['code'], HoldCause>> = {
  'artifact.consumer_full': 'account',
  'artifact.store_full': 'store',
  'artifact.store_failed': 'store',
};

/** Whether a refusal is for want of room, or of a disk that can be written: it is not the sender's fault. */
function causeOf({ code }: Refusal): HoldCause | undefined {
  return causes[code];
}

/**
 * The store as others see it. What it refuses to a node for want of room stops the clock of that attempt in the log, before
 * the node hears of it; once there is room, the clock runs again.
 */
export class HoldingStore implements ArtifactStore {
  readonly #parts: HoldParts;

  constructor(parts: HoldParts) {
    this.#parts = parts;
  }

  async announce(by: ArtifactParty, sha256: Sha256Hex, sizeBytes: number): Promise<Result<ArtifactProgress>> {
    const announced = await this.#parts.store.announce(by, sha256, sizeBytes);
    // guard: wait for want of room alone
    if (!announced.ok) await this.#note(by, announced.refusal, sizeBytes);
    return announced;
  }

  async append(
    by: ArtifactParty,
    sha256: Sha256Hex,
    offset: number,
    body: Readable,
  ): Promise<Result<ArtifactProgress>> {
    const appended = await this.#parts.store.append(by, sha256, offset, body);
    if (appended.ok || by.kind !== 'node') {
      if (!appended.ok) await this.#note(by, appended.refusal, 0);
      return appended;
    }
    const here = await this.#parts.store.status(by, sha256);
    await this.#note(by, appended.refusal, here === undefined ? 0 : here.sizeBytes - here.offset);
    return appended;
  }

  status(by: ArtifactParty, sha256: Sha256Hex): Promise<ArtifactProgress | undefined> {
    return this.#parts.store.status(by, sha256);
  }

  open(by: ArtifactParty, sha256: Sha256Hex): Promise<Result<ArtifactContent>> {
    return this.#parts.store.open(by, sha256);
  }

  claimed(): Promise<void> {
    return this.#parts.store.claimed();
  }

  release(by: ArtifactParty, sha256: Sha256Hex): Promise<Result<undefined>> {
    return this.#parts.store.release(by, sha256);
  }

  /** Lets the clocks run again of what there is room for, the first held first. To be called now and then. */
  async resume(): Promise<void> {
    const { now, questions, space, submitter } = this.#parts;
    const uploads = await questions.heldUploads();
    if (uploads.length === 0) return;
    let left: number;
    try {
      left = await space.leftInStore();
    } catch {
      return;
    }
    const leftOf = new Map<AccountId, number>();
    for (const { attempt, cause, consumer, sizeBytes, task } of uploads) {
      const own = leftOf.get(consumer) ?? (await space.leftOfAccount(consumer));
      if (sizeBytes > left || (cause === 'account' && sizeBytes > own)) continue;
      left -= sizeBytes;
      leftOf.set(consumer, own - sizeBytes);
      await submitter.submit({ type: 'attempt.resume_upload', at: now(), task, attempt });
    }
  }

  async #note(by: ArtifactParty, refusal: Refusal, sizeBytes: number): Promise<void> {
    const cause = causeOf(refusal);
    if (cause === undefined) return;
    const { alarm, now, space, submitter } = this.#parts;
    const isFull = refusal.code === 'artifact.store_failed' || (cause === 'store' && (await space.isFull()));
    // That a consumer announces more than there is room for is no news for the operator.
    if (cause === 'store' && (isFull || by.kind === 'node')) alarm.raise(refusal);
    if (by.kind !== 'node') return;
    // It goes on as soon as there is room for a chunk: to hold up others, a node has to bring bytes, not words.
    const neededBytes = Math.min(sizeBytes, apiLimits.artifactChunkBytes);
    for (const { attempt, task } of await this.#waitingOf(by))
      await submitter.submit({
        type: 'attempt.hold_upload',
        at: now(),
        node: by.node,
        task,
        attempt,
        cause,
        isFull,
        sizeBytes: neededBytes,
      });
  }

  /** Attempts of the node that wait for this room. An agent of before does not say which one it is, so all that it uploads do. */
  async #waitingOf({ attempt: named, node }: NodeParty): Promise<readonly AttemptRef[]> {
    const held = await this.#parts.questions.heldBy(node);
    return held.filter(
      ({ attempt, stage, task }) =>
        stage === 'uploading' && (named === undefined || (named.task === task && named.attempt === attempt)),
    );
  }
}
