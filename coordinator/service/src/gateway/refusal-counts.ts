import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';

/** How often each code was given since the start. As small as the catalogue. */
export class RefusalCounts {
  readonly #counts = new Map<ErrorCode, number>();

  add(code: ErrorCode): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
  }

  get byCode(): ReadonlyMap<ErrorCode, number> {
    return this.#counts;
  }
}
