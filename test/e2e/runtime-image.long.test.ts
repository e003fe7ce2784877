import { canUseLoopScratch } from '@capacloud/agent/scratch/loop-scratch';
import { openRuntimeRig, type RuntimeRig, script } from '@capacloud/rig/engine/runtime-rig';
import {
  besideProgram,
  makeAppImage,
  mebibyte,
  output,
  runBesideProgram,
  runOf,
} from '@capacloud/rig/images/app-image';
import { busyboxArchive, importImage } from '@capacloud/rig/images/engine-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const hasLoop = await canUseLoopScratch();
let image: string;
let rig: RuntimeRig;
beforeAll(async () => {
  rig = await openRuntimeRig();
  image = await makeAppImage(rig.docker, 'long');
});
afterAll(async () => {
  await rig.close();
  await rig.docker.getImage(image).remove();
});

/** An image whose folder does not fit beside an output. */
async function bigImage(rig: RuntimeRig): Promise<string> {
  const archive = await busyboxArchive((pack) => {
    pack.entry({ name: 'app/weights.bin' }, Buffer.alloc(20 * mebibyte));
  });
  return await importImage(rig.docker, 'capacloud-test/big-app', '1', archive);
}

describe('the files of an image', () => {
  it.skipIf(!hasLoop)('stay beside an output among them in a loop device', async () => {
    const loop = await openRuntimeRig({ scratch: 'loop' });
    const { memoryBytes, ...seen } = await runBesideProgram(loop, image);
    expect(seen).toMatchObject(besideProgram);
    expect(memoryBytes).toBe(64 * mebibyte);
    await loop.close();
  });

  it('are named where a folder of outputs or a checkpoint would hide them, or scratch is too small', async () => {
    const prepare = (change: Parameters<typeof rig.assign>[0]) =>
      rig.runtime.prepare(rig.assign({ ...script('true'), image, ...change }), [], rig.signal);
    const refused = (message: string) => ({
      ok: false,
      refusal: { reason: 'start_failed', message: expect.stringContaining(message) as string },
    });
    expect(await prepare({ outputs: [output('/app')] })).toMatchObject(refused('/app/config.json'));
    expect(
      await prepare({ checkpoint: { path: '/app/lib', maxBytes: mebibyte, timeoutMs: 1000 } }),
    ).toMatchObject(refused('/app/lib/deep'));
    const big = await bigImage(rig);
    expect(
      await prepare({ outputs: [output('/bin2/x.txt'), output('/app/result.json')], image: big }),
    ).toMatchObject(refused('Raise resources.disk'));
    await rig.docker.getImage(big).remove({ force: true });
  });
});

describe('the user of a task', () => {
  it('keeps what the job says', async () => {
    const env = { HOME: '/out/home', USER: 'me' };
    const said = script('echo $HOME $USER $LOGNAME $XDG_CACHE_HOME; mkdir -p $HOME; exit 0');
    const outputs = [output('/out')];
    const { stdout } = await runOf(rig, rig.assign({ ...said, image, env, outputs, user: '1000' }));
    expect(stdout).toBe('/out/home me task /out/home/.cache\n');
  });
});
