import type { AttemptEnded } from './entry.ts';

/** The word of so many owners closes an architecture for the job; that of one closes its own nodes. */
const enough = 2;

/** Which nodes the image of a job is not made for, by what their owners said. */
export class MisfitBook {
  /** By architecture, in which order it was said. */
  readonly #said = new Map<string, readonly string[]>();
  readonly #lastAt = new Map<string, number>();

  /** When something that still holds was last said; undefined where nothing was. */
  get saidAt(): number | undefined {
    const times = [...this.#said.keys()].map((arch) => this.#lastAt.get(arch) ?? 0);
    return times.length === 0 ? undefined : Math.max(...times);
  }

  ended({ at, reason, then }: AttemptEnded, owner: string, arch: string): void {
    if (then.kind === 'succeeded') this.#said.delete(arch);
    if (reason !== 'image_wrong_platform') return;
    const owners = this.#said.get(arch) ?? [];
    if (owners.includes(owner) || owners.length >= enough) return;
    this.#said.set(arch, [...owners, owner]);
    this.#lastAt.set(arch, at);
  }

  isClosed(owner: string, arch: string): boolean {
    const owners = this.#said.get(arch) ?? [];
    return owners.length >= enough || owners.includes(owner);
  }
}
