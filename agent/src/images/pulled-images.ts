import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Type, { type Static, type TSchema } from 'typebox';
import { Value } from 'typebox/value';

const digest = Type.String({ pattern: '^sha(256|384|512):[0-9a-f]{64,128}$', maxLength: 135 });
const PulledImageSchema = Type.Object({
  reference: Type.String(),
  /** Of the image on the engine: the hash of its configuration, which names its layers. */
  id: digest,
  /** What the registry gave for the reference. */
  digest,
  /** The name by which the engine knows it: removing that name can take nothing of the owner's. See `nameOnEngine`. */
  name: Type.Optional(Type.String()),
  /**
   * Layers with their sizes, by the hash of each and all below it. Absent where the image was on the engine before, or may
   * have been: it is the owner's, and is never removed.
   */
  layers: Type.Optional(Type.Array(Type.Object({ chain: digest, bytes: Type.Number() }))),
});
export type PulledImage = Static<typeof PulledImageSchema>;

const PullIntentSchema = Type.Object({
  reference: Type.String(),
  name: Type.String(),
  digest,
  /** Ids of all images that were on the engine when it was first pulled. */
  before: Type.Array(Type.String()),
});
export type PullIntent = Static<typeof PullIntentSchema>;

/** Names of the agent's own have a tag; earlier releases let the engine pull by digest. */
export function nameOnEngine({ digest, name = '' }: Pick<PulledImage, 'digest' | 'name'>): string {
  return /:[^/]+$/.test(name) ? name : `${name}@${digest}`;
}

/** A pulled image and when a task last used it. */
export interface UsedImage extends PulledImage {
  readonly usedAtMs: number;
}

/** One JSON file for each reference. */
class NoteFolder<T extends { readonly reference: string }> {
  readonly #directory: string;
  readonly #schema: TSchema;

  constructor(directory: string, schema: TSchema) {
    this.#directory = directory;
    this.#schema = schema;
  }

  async get(reference: string): Promise<T | undefined> {
    const note = await this.#read(this.#file(reference));
    return note?.reference === reference ? note : undefined;
  }

  async list(): Promise<readonly { readonly note: T; readonly atMs: number }[]> {
    const names = await readdir(this.#directory).catch(() => []);
    const found: { note: T; atMs: number }[] = [];
    for (const name of names) {
      const file = join(this.#directory, name);
      const note = await this.#read(file);
      const info = note === undefined ? undefined : await stat(file).catch(() => undefined);
      if (note !== undefined && info !== undefined) found.push({ note, atMs: info.mtimeMs });
    }
    return found;
  }

  async put(note: T): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const file = this.#file(note.reference);
    await writeFile(`${file}.new`, JSON.stringify(note), { mode: 0o600, flush: true });
    await rename(`${file}.new`, file);
  }

  async touch(reference: string): Promise<void> {
    const now = new Date();
    await utimes(this.#file(reference), now, now).catch(() => undefined);
  }

  async drop(reference: string): Promise<void> {
    await rm(this.#file(reference), { force: true });
  }

  async #read(file: string): Promise<T | undefined> {
    const text = await readFile(file, 'utf8').catch(() => '');
    try {
      const value: unknown = JSON.parse(text);
      return Value.Check(this.#schema, value) ? (value as T) : undefined;
    } catch {
      return undefined;
    }
  }

  #file(reference: string): string {
    return join(this.#directory, createHash('sha256').update(reference).digest('hex'));
  }
}

/**
 * What this agent pulled, under which reference, and when a task last used it. It outlives the agent, as the images do. A
 * pull is noted before it begins, so that an image is found again whose agent was killed before it could note the image.
 */
export class PulledImages {
  readonly #images: NoteFolder<PulledImage>;
  readonly #pulls: NoteFolder<PullIntent>;

  constructor(directory: string) {
    this.#images = new NoteFolder(directory, PulledImageSchema);
    this.#pulls = new NoteFolder(`${directory}-under-way`, PullIntentSchema);
  }

  async get(reference: string): Promise<PulledImage | undefined> {
    return await this.#images.get(reference);
  }

  /** A task is about to use it. */
  async use(reference: string): Promise<void> {
    await this.#images.touch(reference);
  }

  async note(image: PulledImage): Promise<void> {
    await this.#images.put(image);
  }

  async forget(reference: string): Promise<void> {
    await this.#images.drop(reference);
  }

  /** The one whose last use is longest ago comes first. */
  async list(): Promise<readonly UsedImage[]> {
    const found = await this.#images.list();
    return found
      .map(({ atMs, note }) => ({ ...note, usedAtMs: atMs }))
      .sort((a, b) => a.usedAtMs - b.usedAtMs);
  }

  /**
   * Gives what is noted of the pull. Where an earlier one did not end in order, its list of images stands: what came since
   * then was pulled by the agent.
   */
  async begin(intent: PullIntent): Promise<PullIntent> {
    const earlier = await this.#pulls.get(intent.reference);
    const stands = earlier === undefined ? intent : { ...intent, before: earlier.before };
    await this.#pulls.put(stands);
    return stands;
  }

  async end(reference: string): Promise<void> {
    await this.#pulls.drop(reference);
  }

  async begun(): Promise<readonly (PullIntent & { readonly atMs: number })[]> {
    return (await this.#pulls.list()).map(({ atMs, note }) => ({ ...note, atMs }));
  }
}
