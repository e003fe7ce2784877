import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PlacedArchive } from '@capacloud/agent/core/ports';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { hasLoopDevices } from '@capacloud/rig/engine/real-parts';
import { openRuntimeRig, type RuntimeRig, readLog, script, until } from '@capacloud/rig/engine/runtime-rig';
import { type Header, pack } from 'tar-stream';
import { afterEach, describe, expect, it } from 'vitest';

let rig: RuntimeRig;
afterEach(async () => await rig.close());

const mebibyte = 2 ** 20;
const checkpoint = { path: '/ckpt', maxBytes: 8 * mebibyte, timeoutMs: 60_000 };

/** Runs a script until it has said that it is ready, stops it and saves its folder. */
async function stopAndSave(assignment: Assignment) {
  const key = await rig.launch(assignment);
  await until(async () => (await readSoFar(key)).includes('ready'));
  await rig.runtime.stop(key, 2000, rig.signal);
  expect(await rig.runtime.wait(key, rig.signal)).toMatchObject({ container: 'exited' });
  return await rig.runtime.save(assignment, join(await rig.folder(), 'checkpoint.tar'), rig.signal);
}
async function readSoFar(key: Parameters<RuntimeRig['runtime']['wait']>[0]): Promise<string> {
  let text = '';
  const enough = AbortSignal.timeout(300);
  const sink = async ({ bytes }: { bytes: Uint8Array }) => {
    text += Buffer.from(bytes).toString();
  };
  await rig.runtime.followLogs(key, 0, sink, enough).catch(() => {});
  return text;
}
/** Runs a script to its end over what was saved, and gives what it said and why the saved was not used. */
async function goOn(assignment: Assignment, localPath: string) {
  const unfit: string[] = [];
  const saved: PlacedArchive = { localPath, onUnfit: (why) => unfit.push(why) };
  const prepared = await rig.runtime.prepare(assignment, [], rig.signal, saved);
  expect(prepared).toEqual({ ok: true, value: undefined });
  expect(await rig.start(assignment)).toMatchObject({ ok: true });
  const { exitCode } = await rig.runtime.wait(assignment, rig.signal);
  const { stderr, stdout } = await readLog(rig, assignment);
  return { exitCode, stdout, stderr, unfit };
}
function over(text: string, change: Partial<Assignment> = {}): Assignment {
  // Its bytes are given by path; that there are any is what the start looks at.
  const saved = { sha256: 'a'.repeat(64) as Sha256Hex, sizeBytes: 1 };
  return rig.assign({ ...script(text), checkpoint: { ...checkpoint, saved }, ...change });
}
async function archiveOf(items: readonly (Partial<Header> & { name: string; content?: Buffer })[]) {
  const archive = pack();
  for (const { content, ...header } of items) archive.entry(header, content ?? Buffer.alloc(0));
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive as AsyncIterable<Buffer>) parts.push(part);
  const file = join(await rig.folder(), 'foreign.tar');
  await writeFile(file, Buffer.concat(parts));
  return file;
}

const writesAndWaits = `
  mkdir -p /ckpt/a/b && echo 1 > /ckpt/a/b/step && echo '#!/bin/sh' > /ckpt/run && chmod 750 /ckpt/run
  mkdir /ckpt/empty && ln -s /etc/passwd /ckpt/link && ln /ckpt/run /ckpt/zzz && mkfifo /ckpt/pipe 2>/dev/null
  trap 'echo 2 > /ckpt/a/b/step; exit 0' TERM; echo ready; while true; do sleep 0.1; done`;

describe.each(['memory', 'loop'] as const)('a checkpoint folder in %s scratch', (scratch) => {
  it('is there again, as it was after the last grace, and belongs to the user', async (context) => {
    if (scratch === 'loop' && !(await hasLoopDevices())) context.skip();
    rig = await openRuntimeRig({ scratch });
    const saved = await stopAndSave(rig.assign({ ...script(writesAndWaits), checkpoint }));
    if (!saved.ok || saved.value === undefined) throw new Error('nothing was saved');
    const { localPath, ...file } = saved.value;
    const bytes = await readFile(localPath);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(file).toEqual({ path: '/ckpt', sizeBytes: bytes.length, sha256 });
    const looks = `cd /ckpt; cat a/b/step; stat -c '%n %a %u:%g' * a/b a/b/step | busybox sed "s/ $(id -u):/ me:/"
      echo 3 >> a/b/step && echo 4 > a/b/new && echo 5 > new && rm run && mkdir empty/x && cat a/b/step`;
    expect(await goOn(over(looks), localPath)).toEqual({
      exitCode: 0,
      stderr: '',
      unfit: [],
      stdout: [
        '2',
        'a 755 me:65532',
        'empty 755 me:65532',
        'run 750 me:65532',
        'a/b 755 me:65532',
        'a/b/step 644 me:65532',
        '2',
        '3',
        '',
      ].join('\n'),
    });
  });

  it('is left empty where what was saved needs more room than there is', async (context) => {
    if (scratch === 'loop' && !(await hasLoopDevices())) context.skip();
    rig = await openRuntimeRig({ scratch });
    const names = Array.from({ length: 14 }, (_, at) => ({ name: `${at}`, content: Buffer.alloc(mebibyte) }));
    const file = await archiveOf(names);
    const diskBytes = 4 * mebibyte;
    const change = { resources: { diskBytes }, checkpoint: { ...checkpoint, maxBytes: 100 * mebibyte } };
    const looks = script('ls -a /ckpt; echo 1 > /ckpt/x && cat /ckpt/x');
    const after = await goOn(rig.assign({ ...looks, ...change }), file);
    expect(after).toMatchObject({ exitCode: 0, stdout: '.\n..\n1\n' });
    expect(after.unfit).toHaveLength(1);
  });
});

describe('a checkpoint folder', () => {
  it('is saved beside outputs, and not when it is empty', async () => {
    rig = await openRuntimeRig();
    const outputs = [{ path: '/out/', maxBytes: 100 }];
    const waits = rig.assign({ ...script('echo 1 > /out/x; echo ready; sleep 60'), checkpoint, outputs });
    expect(await stopAndSave(waits)).toEqual({ ok: true, value: undefined });
    const file = await archiveOf([{ name: 'x', content: Buffer.from('from before') }]);
    const after = over('cat /ckpt/x; echo 2 > /out/y', { outputs });
    expect(await goOn(after, file)).toMatchObject({ exitCode: 0, stdout: 'from before' });
    expect(await rig.runtime.collect(after, await rig.folder(), rig.signal)).toMatchObject({
      ok: true,
      value: { files: [{ path: '/out/y' }] },
    });
  });

  it('is not saved when it holds too much', async () => {
    rig = await openRuntimeRig();
    // No block of it is in use, and all of it would travel.
    const sparse = script('dd if=/dev/zero of=/ckpt/x bs=1 count=1 seek=9000000; echo ready; sleep 60');
    expect(await stopAndSave(rig.assign({ ...sparse, checkpoint }))).toMatchObject({
      ok: false,
      refusal: {
        message: expect.stringContaining('The checkpoint could not be kept: it holds too much'),
        detail: 'there are more than 8388608 bytes',
      },
    });
  });

  it.each<[string, readonly Partial<Header>[]]>([
    ['a link that leads out', [{ name: 'a', type: 'symlink', linkname: '/' }, { name: 'a/x' }]],
    ['a name that leads out', [{ name: '../s1/x' }]],
    ['a device', [{ name: 'a', type: 'block-device', devmajor: 8 }]],
  ])('is empty where what was saved holds %s', async (_, items) => {
    rig = await openRuntimeRig();
    const file = await archiveOf([{ name: 'fine' }, ...(items as { name: string }[])]);
    const after = await goOn(over('ls /ckpt; echo 1 > /ckpt/x && cat /ckpt/x'), file);
    expect(after).toMatchObject({ exitCode: 0, stdout: '1\n' });
    expect(after.unfit).toHaveLength(1);
  });
});
