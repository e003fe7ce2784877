import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import { expect, test } from 'vitest';
import { resolveConfig } from '../host/config.ts';
import { DiskWatch } from './disk-watch.ts';

const signal = AbortSignal.timeout(60_000);

function open(stateDir: string, images: string, scratch: 'loop' | 'memory' = 'loop') {
  const flags = {
    coordinator: 'ws://127.0.0.1:1',
    state_dir: stateDir,
    docker_socket: join(stateDir, 'no-engine.sock'),
    'resources.images': images,
  };
  const config = resolveConfig({ file: undefined, env: {}, flags });
  if (!config.ok) throw new Error(config.refusal.message);
  return new DiskWatch({ config: config.value, scratch, onChange: () => undefined });
}

test('no more disk is offered than there is beside the room of images', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'capacloud-disk-watch-'));
  try {
    mkdirSync(join(dir, 'scratch'));
    writeFileSync(join(dir, 'scratch', 'volume'), 'x'.repeat(10_000));
    const { bavail, bsize } = statfsSync(dir);
    const freeBytes = bavail * bsize;
    const offer = { diskBytes: 4 * freeBytes } as Offer;
    const [all, half, memory] = [open(dir, '1Mi'), open(dir, '50%'), open(dir, '50%', 'memory')];
    expect(all.limit(offer)).toEqual(offer);
    for (const watch of [all, half, memory]) await watch.look(signal);
    const { diskBytes } = all.limit(offer);
    expect(diskBytes).toBeLessThanOrEqual(freeBytes + 2 ** 30);
    expect(half.limit(offer).diskBytes).toBeLessThan(0.8 * freeBytes);
    expect(memory.limit(offer)).toEqual(offer);
    expect(open(dir, '1Mi').limit({ ...offer, diskBytes: 5 }).diskBytes).toBe(5);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
