import { maxSkippedNameChars, maxSkippedNames, type SkippedReason } from '@capacloud/protocol/wire/outputs';
import type { SkippedOutputs } from '@capacloud/protocol/wire/outputs-schema';
import { printable } from '../../engine/tar-feed.ts';

/** Paths that are known not to be told twice; beyond them the total may count one of two overlapping outputs twice. */
const maxKnown = 10_000;

/** What could not be kept: every one is counted, the first are named. */
export class SkippedNotes {
  readonly #first: { readonly path: string; readonly why: SkippedReason }[] = [];
  readonly #known = new Set<string>();
  #total = 0;

  /** `path` may hold anything. */
  add(path: string, why: SkippedReason, count = 1): void {
    if (this.#known.has(path)) return;
    if (this.#known.size < maxKnown) this.#known.add(path);
    this.#total += count;
    if (this.#first.length >= maxSkippedNames) return;
    const shown = printable(path).slice(0, maxSkippedNameChars).toWellFormed();
    this.#first.push({ path: shown, why });
  }

  get notes(): SkippedOutputs | undefined {
    return this.#total === 0 ? undefined : { total: this.#total, first: [...this.#first] };
  }
}
