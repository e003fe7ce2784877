import { join } from 'node:path';
import { defaultImageShare, type ImageShare } from '../core/disk-room.ts';
import { type LocalImage, referencesOf } from '../core/local-images.ts';
import type { Engine } from '../engine/engine.ts';
import { ImageRoom } from './image-room.ts';
import { ImageStore } from './image-store.ts';
import { PulledImages } from './pulled-images.ts';
import type { RegistryClientOptions } from './registry/registry-client.ts';

export interface ImageOptions {
  /** What tasks may use of the images that the owner has on the engine; see `parseLocalImage`. */
  readonly localImages: readonly LocalImage[];
  /** From which registries images may be fetched, and how these are reached. */
  readonly registries: RegistryClientOptions;
  /** What images that the agent pulls may take on the engine's disk together; a quarter of what is free by default. */
  readonly imageShare?: ImageShare;
  /** Images that attempts of this node need: they are not removed. */
  readonly neededImages?: () => readonly string[];
  /** Folder of the agent's own for scratch images, log positions and notes of what was pulled. */
  readonly stateDir: string;
}

/** The images that tasks may use, and the room that those have which the agent pulls. */
export function openImages(engine: Engine, options: ImageOptions) {
  const { imageShare = defaultImageShare, localImages, neededImages, registries, stateDir } = options;
  const notes = new PulledImages(join(stateDir, 'pulled-images'));
  const needed = () => referencesOf(neededImages?.() ?? []);
  const room = new ImageRoom({ engine, notes, share: imageShare, needed, stateDir });
  return { room, images: new ImageStore({ engine, notes, room, localImages, registries }) };
}
