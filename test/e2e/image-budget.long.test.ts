import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createDockerRuntime } from '@capacloud/agent/container/docker-runtime';
import { readRegistries } from '@capacloud/agent/core/registries';
import { PulledImages } from '@capacloud/agent/images/pulled-images';
import { hasEngine } from '@capacloud/rig/engine/real-parts';
import { openRuntimeRig, type RuntimeRig } from '@capacloud/rig/engine/runtime-rig';
import { busyboxArchive } from '@capacloud/rig/images/engine-images';
import { Registry } from '@capacloud/rig/images/registry';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import type { Pack } from 'tar-stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const mebibyte = 2 ** 20;
const budgetBytes = 64 * mebibyte;
const isThere = hasEngine();

let rig: RuntimeRig;
const registries: Registry[] = [];
/** Names that tests gave to images on the engine. */
const made: string[] = [];
let needed: string[];

beforeAll(async () => {
  if (!isThere) return;
  rig = await openRuntimeRig();
});
afterEach(async () => {
  for (const image of made.splice(0))
    await rig.docker.getImage(image).remove({ force: true }).catch(ignoreMissing);
  for (const registry of registries.splice(0)) await registry.close();
});
afterAll(async () => await rig?.close());

function ignoreMissing(error: Error & { readonly statusCode?: number }): void {
  if (error.statusCode !== 404) throw error;
}

function open(stateDir: string) {
  needed = [];
  return createDockerRuntime({
    ...rig.options,
    registries: {
      ...rig.options.registries,
      get allowed() {
        return readRegistries(registries.map(({ host }) => `http://${host}`));
      },
    },
    stateDir,
    imageShare: { kind: 'amount', value: budgetBytes },
    neededImages: () => needed,
  });
}

type Runtime = ReturnType<typeof open>;

/** An image with a layer of its own, in a registry of its own. */
async function push(
  add: (archive: Pack) => void,
): Promise<{ name: string; onEngine: string; image: string }> {
  const registry = await Registry.open(await busyboxArchive(add));
  registries.push(registry);
  const digest = await registry.push('budget', 'v1');
  const name = `${registry.base}/budget@${digest}`;
  // By the agent, and by an owner who pulls it.
  const onEngine = `pulled.capacloud.invalid/${registry.base.replace(':', '-')}/budget:${digest.replace(':', '-')}`;
  made.push(onEngine, name);
  return { name, onEngine, image: `${registry.base}/budget:v1` };
}

const noise = (sizeMiB: number) => (archive: Pack) =>
  archive.entry({ name: 'noise' }, randomBytes(sizeMiB * mebibyte));
const bomb = (archive: Pack) => archive.entry({ name: 'zeros' }, Buffer.alloc(600 * mebibyte));
const crumbs = (archive: Pack) => {
  for (let count = 0; count < 90_000; count++)
    archive.entry({ name: `crumbs/${count % 100}/${count}`, mtime: new Date(0) }, '');
};

const pull = (runtime: Runtime, image: string) =>
  runtime.pull(rig.assign({ image }), () => undefined, rig.signal);
const isOnEngine = (name: string) =>
  rig.docker
    .getImage(name)
    .inspect()
    .then(
      () => true,
      () => false,
    );
const tooLarge = { ok: false, refusal: { reason: 'image_too_large' } };
const taken = { ok: true };

describe.skipIf(!isThere)('an image that is larger than the budget', () => {
  it.each([
    ['a layer of zeros', bomb],
    ['a layer with too many files', crumbs],
  ] as const)('is stopped while it is unpacked: %s', async (_what, add) => {
    const { image, onEngine } = await push(add);
    const runtime = open(await rig.folder());
    expect(await pull(runtime, image)).toMatchObject(tooLarge);
    expect(await isOnEngine(onEngine)).toBe(false);
  });

  it('is told from one that is pulled at the same time', async () => {
    const [large, small] = [await push(bomb), await push(noise(8))];
    const runtime = open(await rig.folder());
    const [first, second] = await Promise.all([pull(runtime, large.image), pull(runtime, small.image)]);
    expect([first, second]).toMatchObject([tooLarge, taken]);
  });
});

/** What else is written to the engine's disk during a pull counts as the image's: a test may meet what the last one left behind. */
const again = { retry: 2 } as const;

describe.skipIf(!isThere)('room for the next image', () => {
  it('is made by removing the least recently used one that nothing needs', again, async () => {
    const images = [
      await push(noise(18)),
      await push(noise(18)),
      await push(noise(18)),
      await push(noise(18)),
    ];
    const [a, b, c, d] = images as [
      (typeof images)[0],
      (typeof images)[0],
      (typeof images)[0],
      (typeof images)[0],
    ];
    const stateDir = await rig.folder();
    const runtime = open(stateDir);
    for (const { image } of [a, b, c]) expect(await pull(runtime, image)).toMatchObject(taken);
    // The first is used again, and the second is needed.
    expect(await pull(runtime, a.image)).toMatchObject(taken);
    needed = [b.image];
    expect(await pull(runtime, d.image)).toMatchObject(taken);
    expect(await Promise.all(images.map(({ onEngine }) => isOnEngine(onEngine)))).toEqual([
      true,
      true,
      false,
      true,
    ]);
    // What was removed is pulled again, after a restart as well.
    const restarted = open(stateDir);
    expect(await pull(restarted, c.image)).toMatchObject(taken);
    expect(await isOnEngine(c.onEngine)).toBe(true);
  });

  it('is never made of what the owner has', again, async () => {
    const [digest, tag, later, next] = [
      await push(noise(24)),
      await push(noise(24)),
      await push(noise(24)),
      await push(noise(48)),
    ];
    const fetch = async (name: string) => {
      const stream = await rig.docker.pull(name);
      await new Promise<void>((resolve, reject) =>
        rig.docker.modem.followProgress(stream, (error) => (error === null ? resolve() : reject(error))),
      );
    };
    // One by its digest alone, one under a tag, and one that is tagged after the agent has pulled it.
    await fetch(digest.name);
    await fetch(tag.image);
    made.push(tag.image);
    const runtime = open(await rig.folder());
    for (const { image } of [digest, tag, later]) expect(await pull(runtime, image)).toMatchObject(taken);
    await rig.docker.getImage(later.onEngine).tag({ repo: later.image.slice(0, -3), tag: 'mine' });
    made.push(`${later.image.slice(0, -3)}:mine`);
    expect(await pull(runtime, next.image)).toMatchObject(taken);
    const names = [digest.name, tag.image, `${later.image.slice(0, -3)}:mine`, next.onEngine];
    expect(await Promise.all(names.map(isOnEngine))).toEqual([true, true, true, true]);
  });

  it(
    'is made of an image whose pull was not noted any more, and not of one that was there before',
    again,
    async () => {
      const [lost, old, next] = [await push(noise(24)), await push(noise(24)), await push(noise(48))];
      const stateDir = await rig.folder();
      const notes = new PulledImages(join(stateDir, 'pulled-images'));
      const pullOf = ({ name, image }: typeof lost) => {
        const [repository = '', hash = ''] = name.split('@');
        return { reference: image, name: repository, digest: hash };
      };
      const fetch = async (name: string) => {
        for await (const _line of await rig.docker.createImage({ fromImage: name })) void _line;
      };
      await fetch(old.name);
      const ids = async () => (await rig.docker.listImages({ all: true })).map(({ Id: id }) => id);
      // Killed after the engine had both, and before either was noted.
      await notes.begin({ ...pullOf(lost), before: [...(await ids())] });
      await notes.begin({ ...pullOf(old), before: [...(await ids())] });
      await fetch(lost.name);
      const runtime = open(stateDir);
      await runtime.observe(rig.signal);
      await waitUntil('the notes', async () => (await notes.begun()).length === 0, { timeoutMs: 20_000 });
      expect(await pull(runtime, next.image)).toMatchObject(taken);
      expect(await Promise.all([lost.name, old.name, next.onEngine].map(isOnEngine))).toEqual([
        false,
        true,
        true,
      ]);
    },
  );
});
