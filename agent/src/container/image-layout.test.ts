import { expect, it } from 'vitest';
import { ImageLayouts } from './image-layout.ts';
import type { ImageProbe } from './image-probe.ts';

const folder = { isFolder: true, isFile: false, mode: 0o755, sizeBytes: 0 };
const file = { ...folder, isFolder: false, isFile: true };
const link = { ...folder, isFolder: false };

async function homeIn(image: Readonly<Record<string, typeof folder>>, filled: readonly string[] = []) {
  const probe = {
    stat: (path: string) => Promise.resolve(image[path]),
    readText: () => Promise.resolve(undefined),
    namesIn: (path: string) => Promise.resolve(filled.includes(path) ? ['main.py'] : []),
  } as unknown as ImageProbe;
  const layout = await new ImageLayouts().read('sha256:1', [], probe, AbortSignal.timeout(10_000));
  return layout.home;
}

it('puts the home where it hides nothing of the image', async () => {
  expect(await homeIn({})).toBe('/home/task');
  expect(await homeIn({ '/home/task': folder })).toBe('/home/task');
  expect(await homeIn({ '/home/task': folder }, ['/home/task'])).toBe('/home/capacloud');
  expect(await homeIn({ '/home/task': file })).toBe('/home/capacloud');
  expect(await homeIn({ '/home/task': link })).toBe('/home/capacloud');
});
