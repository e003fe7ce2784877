import { type CgroupWatch, type KernelEvidence, mergeEvidence, noEvidence } from './cgroup-evidence.ts';

/** What is known of an attempt only as long as this process lives. */
export class AttemptNotes {
  /** The agent itself stopped it, so a signal sent to it means nothing. */
  stopAsked = false;
  watch: CgroupWatch | undefined;
  #noted: KernelEvidence = noEvidence;

  note(evidence: KernelEvidence): void {
    this.#noted = mergeEvidence(this.#noted, evidence);
  }

  get evidence(): KernelEvidence {
    return mergeEvidence(this.#noted, this.watch?.evidence ?? noEvidence);
  }
}
