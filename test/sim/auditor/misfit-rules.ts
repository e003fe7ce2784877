import type { AttemptEnded } from './entry.ts';

/** The word of so many owners closes an architecture for the job; that of one closes its own nodes. */
const enough = 2;

/** So many owners who refuse the registry of the image, or have no room for the image, end its tasks. */
const many = 8;

/** On which nodes the image of a job does not run, by what their owners said. */
export class MisfitBook {
  /** By architecture, in which order it was said. */
  readonly #said = new Map<string, readonly string[]>();
  readonly #lastAt = new Map<string, number>();
  /** Owners who refuse its registry, who could not get it, and who have too little room for it. */
  readonly #words = { refused: new Set<string>(), failed: new Set<string>(), small: new Set<string>() };
  readonly #wordAt = { refused: 0, failed: 0, small: 0 };

  /** When something that still holds was last said; undefined where nothing was. */
  get saidAt(): number | undefined {
    const times = [...this.#said.keys()].map((arch) => this.#lastAt.get(arch) ?? 0);
    for (const what of ['refused', 'failed', 'small'] as const)
      if (this.#words[what].size > 0) times.push(this.#wordAt[what]);
    return times.length === 0 ? undefined : Math.max(...times);
  }

  ended({ at, reason, then }: AttemptEnded, owner: string, arch: string): void {
    if (then.kind === 'succeeded') {
      this.#said.delete(arch);
      this.#words.failed.clear();
      this.#words.refused.delete(owner);
      this.#words.small.delete(owner);
    }
    if (reason === 'registry_not_allowed') this.#note('refused', owner, at);
    if (reason === 'image_too_large') this.#note('small', owner, at);
    if (reason === 'registry_failed' || reason === 'image_refused') this.#note('failed', owner, at);
    if (reason !== 'image_wrong_platform') return;
    const owners = this.#said.get(arch) ?? [];
    if (owners.includes(owner) || owners.length >= enough) return;
    this.#said.set(arch, [...owners, owner]);
    this.#lastAt.set(arch, at);
  }

  #note(what: 'refused' | 'failed' | 'small', owner: string, at: number): void {
    const owners = this.#words[what];
    if (owners.has(owner) || owners.size >= many) return;
    owners.add(owner);
    this.#wordAt[what] = at;
  }

  /** Whether enough owners say so of the image when this one does, too. */
  isRefusedByMany(reason: string, owner: string): boolean {
    const said = { registry_not_allowed: this.#words.refused, image_too_large: this.#words.small }[reason];
    return said !== undefined && new Set([...said, owner]).size >= many;
  }

  isClosed(owner: string, arch: string): boolean {
    if (this.#words.refused.has(owner) || this.#words.small.has(owner)) return true;
    const owners = this.#said.get(arch) ?? [];
    return owners.length >= enough || owners.includes(owner);
  }
}
