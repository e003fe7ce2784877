import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CollectedOutputs } from '@capacloud/agent/core/ports';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { openRuntimeRig, type RuntimeRig, script } from '@capacloud/rig/engine/runtime-rig';
import { extract } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let rig: RuntimeRig;
beforeAll(async () => {
  rig = await openRuntimeRig();
});
afterAll(async () => {
  await rig.close();
});

async function collect(text: string, change: Partial<Assignment>): Promise<CollectedOutputs> {
  const assignment = rig.assign({ ...script(text), ...change });
  await rig.run(assignment);
  const collected = await rig.runtime.collect(assignment, join(await rig.folder(), 'o'), rig.signal);
  if (!collected.ok) throw new Error(collected.refusal.message);
  return collected.value;
}

const pathsOf = ({ files }: CollectedOutputs) => files.map(({ path }) => path);
const skippedOf = ({ skipped }: CollectedOutputs) =>
  new Map(skipped?.first.map(({ path, why }) => [path, why]));

describe('what a container leaves', () => {
  it('is kept where it can be, and the rest is named', async () => {
    const long = 'x'.repeat(200);
    const outcome = await collect(
      `cd /out; mkdir run1 blobs snapshots empty; echo weights > run1/model.bin; echo data > blobs/1234
       ln run1/model.bin copy.bin; ln -s run1 latest; ln -s ../blobs/1234 snapshots/config.json
       ln -s /out/run1 absolute; ln -s latest/model.bin chain; ln -s empty to-empty; ln -s . self
       ln -s /etc/passwd passwd; ln -s ../../../etc up; ln -s nothing dangling; ln -s b a; ln -s a b; ln -s big.bin large
       busybox mkfifo pipe; printf x > "$(printf 'caf\\351.txt')"; printf x > "$(printf 'a\\nb.txt')"
       mkdir -p ${long}/${long}/${long}/${long}/${long}/${long}; echo > ${long}/${long}/${long}/${long}/${long}/${long}/x
       head -c 3000 /dev/zero > big.bin; echo small > small.txt; ln small.txt "$(printf '\\001')"`,
      { outputs: [{ path: '/out', maxBytes: 2000 }] },
    );
    expect(outcome.failure).toBeUndefined();
    expect(pathsOf(outcome)).toEqual([
      '/out/blobs/1234',
      '/out/copy.bin',
      '/out/run1/model.bin',
      '/out/small.txt',
    ]);
    const [, copy, model] = outcome.files;
    expect(copy?.sha256).toBe(model?.sha256);
    expect(await readFile(copy?.localPath ?? '', 'utf8')).toBe('weights\n');
    expect(outcome.links).toEqual([
      { path: '/out/absolute', target: 'run1' },
      { path: '/out/chain', target: 'run1/model.bin' },
      { path: '/out/latest', target: 'run1' },
      { path: '/out/self', target: '.' },
      { path: '/out/snapshots/config.json', target: '../blobs/1234' },
      { path: '/out/to-empty', target: 'empty' },
    ]);
    expect(outcome.skipped?.total).toBe(12);
    const deep = `/out/${[long, long, long].join('/')}`.slice(0, 256);
    expect(skippedOf(outcome)).toEqual(
      new Map([
        ['/out/pipe', 'special'],
        ['/out/caf?.txt', 'name'],
        ['/out/a b.txt', 'name'],
        [deep, 'long_name'],
        ['/out/big.bin', 'too_large'],
        ['/out/?', 'name'],
        ['/out/passwd', 'link_outside'],
        ['/out/up', 'link_outside'],
        ['/out/dangling', 'link_dangling'],
        ['/out/a', 'link_loop'],
        ['/out/b', 'link_loop'],
        ['/out/large', 'link_dangling'],
      ]),
    );
  });

  it('lacks what was listed: the rest is kept, and only what is optional may lack', async () => {
    const outcome = await collect(
      `echo 1 > /out/result.json; ln -s ckpt-7.pt /out/model.pt; echo best > /out/ckpt-7.pt
       mkdir /out/d; echo x > /out/d/x.txt; ln -s d /out/sub; ln -s /etc/passwd /out/evil.txt; ln -s /etc /out/etc
       busybox mkfifo /out/pipe.txt; head -c 2000 /dev/zero > /out/large.bin`,
      {
        maxFileBytes: 1500,
        outputs: [
          { path: '/out/model.pt', maxBytes: 100 },
          { path: '/out/result.json', maxBytes: 100 },
          { path: '/out/sub/x.txt', maxBytes: 100 },
          { path: '/crash/core.dump', maxBytes: 100, optional: true },
          { path: '/empty', maxBytes: 100 },
          { path: '/out/none.txt', maxBytes: 100 },
          { path: '/out/evil.txt', maxBytes: 100 },
          { path: '/out/etc/passwd.txt', maxBytes: 100 },
          { path: '/out/pipe.txt', maxBytes: 100 },
          { path: '/out/large.bin', maxBytes: 5000 },
        ],
      },
    );
    expect(pathsOf(outcome)).toEqual(['/out/model.pt', '/out/result.json', '/out/sub/x.txt']);
    expect(await readFile(outcome.files[0]?.localPath ?? '', 'utf8')).toBe('best\n');
    expect(outcome.failure).toEqual({
      reason: 'output_missing',
      message: '/out/none.txt: no such file or folder (and 4 more outputs)',
    });
    expect(skippedOf(outcome)).toEqual(
      new Map([
        ['/out/evil.txt', 'link_outside'],
        ['/out/etc/passwd.txt', 'link_outside'],
        ['/out/pipe.txt', 'special'],
        ['/out/large.bin', 'not_storable'],
      ]),
    );
  });

  it('is more than a receipt can name: further files are packed', async () => {
    const outcome = await collect(
      'cd /out; i=1000; while [ $i -lt 2200 ]; do echo $i > $i.png; i=$((i+1)); done',
      {
        outputs: [{ path: '/out', maxBytes: 1_000_000 }],
      },
    );
    expect([outcome.failure, outcome.skipped, outcome.files.length]).toEqual([undefined, undefined, 1000]);
    const archive = outcome.files.at(-1);
    expect(archive).toMatchObject({ path: '/more-files.tar', packed: 201 });
    const unpacked = new Map<string, string>();
    const entries = createReadStream(archive?.localPath ?? '').pipe(extract());
    for await (const entry of entries) {
      const parts = await Array.fromAsync(entry as AsyncIterable<Buffer>);
      unpacked.set(entry.header.name, Buffer.concat(parts).toString());
    }
    expect([...unpacked].at(0)).toEqual(['out/1999.png', '1999\n']);
    expect([unpacked.size, [...unpacked].at(-1)]).toEqual([201, ['out/2199.png', '2199\n']]);
  });
});
