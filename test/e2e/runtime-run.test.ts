import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import { openRuntimeRig, type RuntimeRig, readLog, script } from '@capacloud/rig/engine/runtime-rig';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let rig: RuntimeRig;
beforeAll(async () => {
  rig = await openRuntimeRig();
});
afterAll(async () => {
  await rig.close();
});

async function placeInput(target: string, text: string) {
  const localPath = join(await rig.folder(), 'input');
  await writeFile(localPath, text);
  return {
    spec: { sha256: sha256Hex(text), sizeBytes: Buffer.byteLength(text), target },
    placed: { target, localPath },
  };
}

describe('a run', () => {
  it('takes an input to an output', async () => {
    const input = await placeInput('/in/deep/data.txt', 'twelve bytes');
    const assignment = rig.assign({
      ...script('tr a-z A-Z < /in/deep/data.txt > /out/result.txt; echo said; echo warned >&2; exit 0'),
      inputs: [input.spec],
      outputs: [{ path: '/out/result.txt', maxBytes: 1000 }],
    });
    const pulled = await rig.runtime.pull(assignment, () => undefined, rig.signal);
    expect(pulled).toMatchObject({
      ok: true,
      value: { image: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
    });
    const seen = await rig.run(assignment, [input.placed]);
    expect(seen).toMatchObject({ container: 'exited', exitCode: 0, oomKilled: false, scratch: true });
    expect(seen.finishedAtMs).toBeGreaterThanOrEqual(seen.startedAtMs ?? Number.POSITIVE_INFINITY);
    expect(await readLog(rig, seen.key)).toEqual({ stdout: 'said\n', stderr: 'warned\n' });
    const collected = await rig.runtime.collect(assignment, join(await rig.folder(), 'o'), rig.signal);
    if (!collected.ok) throw new Error(collected.refusal.message);
    expect(collected.value).toMatchObject({
      scratchFull: false,
      files: [{ path: '/out/result.txt', sizeBytes: 12, sha256: sha256Hex('TWELVE BYTES') }],
    });
    expect(await readFile(collected.value.files[0]?.localPath ?? '', 'utf8')).toBe('TWELVE BYTES');
    await rig.runtime.remove(seen.key, rig.signal);
    expect(await rig.runtime.observe(rig.signal)).toEqual([]);
  });
});
