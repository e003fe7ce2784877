import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';

/** References that are remembered. Each costs a file; one that is forgotten costs another pull, mostly without data. */
const maxPulledImages = 4096;

const digest = Type.String({ pattern: '^sha(256|384|512):[0-9a-f]{64,128}$', maxLength: 135 });
const PulledImageSchema = Type.Object({
  reference: Type.String(),
  /** Of the image on the engine: the hash of its configuration, which names its layers. */
  id: digest,
  /** What the registry gave for the reference. */
  digest,
});
export type PulledImage = Static<typeof PulledImageSchema>;

/** What this agent pulled, and under which reference. It outlives the agent, as the images do. */
export class PulledImages {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async get(reference: string): Promise<PulledImage | undefined> {
    const text = await readFile(this.#file(reference), 'utf8').catch(() => '');
    try {
      const value: unknown = JSON.parse(text);
      return Value.Check(PulledImageSchema, value) && value.reference === reference ? value : undefined;
    } catch {
      return undefined;
    }
  }

  async note(image: PulledImage): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const file = this.#file(image.reference);
    await writeFile(`${file}.new`, JSON.stringify(image), { mode: 0o600 });
    await rename(`${file}.new`, file);
    await this.#forgetOldest();
  }

  async #forgetOldest(): Promise<void> {
    const names = await readdir(this.#directory);
    if (names.length <= maxPulledImages) return;
    const files = await Promise.all(
      names.map(async (name) => {
        const file = join(this.#directory, name);
        return {
          file,
          atMs: await stat(file).then(
            ({ mtimeMs }) => mtimeMs,
            () => 0,
          ),
        };
      }),
    );
    // Some more than must go, so that the next ones need not look at all files again.
    const oldest = files.toSorted((a, b) => a.atMs - b.atMs).slice(0, names.length - maxPulledImages + 64);
    for (const { file } of oldest) await rm(file, { force: true });
  }

  #file(reference: string): string {
    return join(this.#directory, createHash('sha256').update(reference).digest('hex'));
  }
}
