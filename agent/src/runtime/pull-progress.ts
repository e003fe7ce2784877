import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import type { PullProgress } from '../core/ports.ts';

const PullLineSchema = Type.Object({
  id: Type.Optional(Type.String()),
  status: Type.Optional(Type.String()),
  error: Type.Optional(Type.String()),
  progressDetail: Type.Optional(
    Type.Object({ current: Type.Optional(Type.Number()), total: Type.Optional(Type.Number()) }),
  ),
});
export type PullLine = Static<typeof PullLineSchema>;

const maxLineBytes = 64 * 1024;
/** Layers of one image are at most 127 in the engine. */
const maxLayers = 1024;

/** The engine's pull messages, one JSON text a line. A line that is too long or no message is passed over. */
export async function* readPullLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<PullLine> {
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = (lines.pop() ?? '').slice(0, maxLineBytes);
    for (const line of lines) {
      const message = parseLine(line);
      if (message !== undefined) yield message;
    }
  }
  const last = parseLine(rest);
  if (last !== undefined) yield last;
}

function parseLine(line: string): PullLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return Value.Check(PullLineSchema, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Adds up the layers of one pull. The total grows while the engine learns of more layers. */
export class PullMeter {
  readonly #layers = new Map<string, { done: number; total: number; isUnpacked?: true }>();

  /** Whether the message changed the sums. */
  take(line: PullLine): boolean {
    const id = line.id;
    if (id === undefined || (!this.#layers.has(id) && this.#layers.size >= maxLayers)) return false;
    const layer = this.#layers.get(id);
    const { current, total } = line.progressDetail ?? {};
    if (line.status === 'Downloading' && current !== undefined) {
      this.#layers.set(id, { done: current, total: Math.max(current, total ?? layer?.total ?? 0) });
      return true;
    }
    if ((line.status === 'Download complete' || line.status === 'Pull complete') && layer !== undefined) {
      const changed = layer.done !== layer.total || line.status === 'Pull complete';
      layer.done = layer.total;
      if (line.status === 'Pull complete') layer.isUnpacked = true;
      return changed;
    }
    return false;
  }

  /** Downloaded, and kept as it came until it is unpacked: engines drop the archive of a layer then. */
  get packedBytes(): number {
    let bytes = 0;
    for (const { done, isUnpacked } of this.#layers.values()) if (isUnpacked !== true) bytes += done;
    return wholeBytes(bytes);
  }

  progress(): PullProgress {
    let doneBytes = 0;
    let totalBytes = 0;
    for (const layer of this.#layers.values()) {
      doneBytes += layer.done;
      totalBytes += layer.total;
    }
    return { doneBytes: wholeBytes(doneBytes), totalBytes: wholeBytes(totalBytes) };
  }
}

/** A manifest may state any size; a heartbeat that repeated one beyond 2^53-1 would end the session. */
function wholeBytes(value: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.round(value)));
}
