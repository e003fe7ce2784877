import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Suspicion } from '@capacloud/core/slices/isolation/isolation';

/** When a start places nothing: after so many fatal ends within so long, and for how long after the last. */
export const safeModeLimits = {
  fatalEnds: 3,
  withinMs: 10 * 60_000,
  lastsMs: 30 * 60_000,
  /** Ends that are kept. */
  kept: 64,
} as const;

export interface FatalEnd {
  /** Unix milliseconds. */
  readonly at: number;
  readonly reason: string;
  /** What the next start isolates; it is taken out once the log says so. */
  readonly suspicion?: Suspicion;
}

const maxReasonChars = 500;

/**
 * How the process ended when it could not go on, in a file beside the database: the log has nothing of it, because the
 * decision that broke the books is not in it.
 */
export class FatalEnds {
  readonly #dataDir: string;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  get path(): string {
    return join(this.#dataDir, 'fatal-ends.jsonl');
  }

  /** The oldest first. A line that cannot be read was torn by the end itself. */
  read(): readonly FatalEnd[] {
    let text: string;
    try {
      text = readFileSync(this.path, 'utf8');
    } catch {
      return [];
    }
    return text.split('\n').flatMap((line) => {
      try {
        const end = JSON.parse(line) as FatalEnd;
        return Number.isSafeInteger(end.at) ? [end] : [];
      } catch {
        return [];
      }
    });
  }

  /** Durable when it returns: the process ends right after. */
  note({ at, reason, suspicion }: FatalEnd): void {
    const end = { at, reason: reason.slice(0, maxReasonChars) };
    this.#write([...this.read(), suspicion === undefined ? end : { ...end, suspicion }]);
  }

  /** What was suspected is isolated by now. */
  settle(): void {
    const ends = this.read();
    if (ends.some(({ suspicion }) => suspicion !== undefined))
      this.#write(ends.map(({ at, reason }) => ({ at, reason })));
  }

  /** Whether nothing is to be placed now. */
  isSafeMode(now: number): boolean {
    const { fatalEnds, lastsMs, withinMs } = safeModeLimits;
    const ends = this.read();
    const last = ends.at(-1);
    const first = ends.at(-fatalEnds);
    if (last === undefined || first === undefined) return false;
    return last.at - first.at <= withinMs && now - last.at < lastsMs;
  }

  #write(ends: readonly FatalEnd[]): void {
    const text = ends
      .slice(-safeModeLimits.kept)
      .map((end) => `${JSON.stringify(end)}\n`)
      .join('');
    const draft = `${this.path}.new`;
    const file = openSync(draft, 'w', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, this.path);
    const folder = openSync(this.#dataDir, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  }
}
