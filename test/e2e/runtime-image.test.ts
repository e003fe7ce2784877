import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { openRuntimeRig, type RuntimeRig, script } from '@capacloud/rig/engine/runtime-rig';
import {
  besideProgram,
  makeAppImage,
  mebibyte,
  runBesideProgram,
  runOf,
} from '@capacloud/rig/images/app-image';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let image: string;
let rig: RuntimeRig;
beforeAll(async () => {
  rig = await openRuntimeRig();
  image = await makeAppImage(rig.docker, 'short');
});
afterAll(async () => {
  await rig.close();
  await rig.docker.getImage(image).remove();
});

describe('the files of an image', () => {
  it('stay beside an input among them, which cannot be changed', async () => {
    const localPath = join(await rig.folder(), 'config');
    await writeFile(localPath, 'own');
    const targets = ['/app/config.json', '/app/new/data.txt'];
    const assignment = rig.assign({
      ...script('/bin/sh /app/main.sh; cat /app/new/data.txt; ls /app; rm /app/config.json; exit 0'),
      image,
      inputs: targets.map((target) => ({ target, sha256: 'a'.repeat(64) as Sha256Hex, sizeBytes: 3 })),
    });
    const { stderr, stdout } = await runOf(
      rig,
      assignment,
      targets.map((target) => ({ target, localPath })),
    );
    expect(stdout).toBe('config: own\nownconfig.json\nlib\nlink\nmain.sh\nnew\n');
    expect(stderr).toContain("can't remove '/app/config.json'");
  });

  it('stay beside an output among them, which alone is collected', async () => {
    const { memoryBytes, ...seen } = await runBesideProgram(rig, image);
    expect(seen).toMatchObject(besideProgram);
    // What the engine wrote into memory is charged to the engine: the container may not have it again.
    expect(memoryBytes).toBeLessThan(65 * mebibyte);
    expect(memoryBytes).toBeGreaterThanOrEqual(64 * mebibyte);
  });
});

describe('the user of a task', () => {
  it('has a name, a home where programs can be run, and a /tmp, whatever the image has', async () => {
    const lines = [
      'id -un; whoami; echo $HOME $USER $LOGNAME $XDG_CACHE_HOME',
      'mkdir -p $XDG_CACHE_HOME && cp /bin/busybox $HOME/.cache/echo && $HOME/.cache/echo runs',
      'stat -c "%a" /tmp; echo x > /tmp/x && cp /bin/busybox /tmp/echo; /tmp/echo no',
      'echo y > /data/y && cat /data/y',
      'dd if=/dev/zero of=$HOME/x bs=1M count=64; exit 0',
    ];
    const applets = script(`/bin/busybox sh -c '${lines.join('\n')}'`);
    const { stderr, stdout } = await runOf(rig, rig.assign({ ...applets, image }));
    expect(stdout).toBe('task\ntask\n/home/task task task /home/task/.cache\nruns\n1777\ny\n');
    expect(stderr).toContain('/tmp/echo: Permission denied');
    // Half of the memory.
    expect(stderr).toContain('No space left on device');
  });
});
