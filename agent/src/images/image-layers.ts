import { createHash } from 'node:crypto';
import type { Engine } from '../engine/engine.ts';

/** A layer, by the hash of it and all below it: images that share one have it once on the disk. */
export interface SizedLayer {
  readonly chain: string;
  readonly bytes: number;
}

/** The layers of an image with their sizes. */
export async function readLayers(
  engine: Engine,
  id: string,
  signal: AbortSignal,
): Promise<readonly SizedLayer[]> {
  const [info, history] = await Promise.all([
    engine.inspectImage(id, signal),
    engine.imageHistory(id, signal),
  ]);
  if (info === undefined) throw new Error('the engine lost an image that it has just named');
  const chains = chainsOf(info.RootFS?.Layers ?? []);
  return sizedLayers(chains, history.toReversed(), info.Size);
}

/** https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid */
export function chainsOf(layers: readonly string[]): readonly string[] {
  const chains: string[] = [];
  for (const layer of layers) {
    const below = chains.at(-1);
    chains.push(
      below === undefined
        ? layer
        : `sha256:${createHash('sha256').update(`${below} ${layer}`).digest('hex')}`,
    );
  }
  return chains;
}

/**
 * The history comes from the image and does not say which steps made a layer, but steps without one have no size. What it
 * does not explain counts as the last layer's.
 */
export function sizedLayers(
  chains: readonly string[],
  steps: readonly number[],
  totalBytes: number,
): readonly SizedLayer[] {
  const sizes = steps.filter((bytes) => bytes > 0);
  const isTold = sizes.length === chains.length && sizes.every((bytes) => Number.isSafeInteger(bytes));
  const told = isTold ? sizes : chains.map(() => 0);
  const rest = Math.max(0, totalBytes - told.reduce((sum, bytes) => sum + bytes, 0));
  return chains.map((chain, index) => ({
    chain,
    bytes: (told[index] ?? 0) + (index === chains.length - 1 ? rest : 0),
  }));
}

/** What images take together. */
export function bytesOf(images: readonly { readonly layers?: readonly SizedLayer[] | undefined }[]): number {
  const layers = new Map<string, number>();
  for (const { layers: own = [] } of images) for (const { bytes, chain } of own) layers.set(chain, bytes);
  return [...layers.values()].reduce((sum, bytes) => sum + bytes, 0);
}
