import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDockerRuntime } from '@capacloud/agent/container/docker-runtime';
import { openRuntimeRig, script } from '@capacloud/rig/engine/runtime-rig';
import { busyboxArchive } from '@capacloud/rig/images/engine-images';
import { Registry } from '@capacloud/rig/images/registry';
import { registriesFor } from '@capacloud/rig/images/test-registries';
import { afterAll, beforeAll } from 'vitest';
import { describeRuntime } from './describe-port.ts';

const programs = {
  writes: script(
    'echo done; for folder in /out /saved; do [ ! -d $folder ] || echo result > $folder/result; done',
  ),
  fails: script('exit 3'),
  stays: script('sleep 600'),
};

let registry: Registry;
beforeAll(async () => {
  registry = await Registry.open(await busyboxArchive());
  await registry.push('ports', 'v1');
});
afterAll(async () => await registry.close());

describeRuntime('the runtime on a Docker engine', async ({ check }) => {
  const rig = await openRuntimeRig({
    registries: registriesFor([`http://${registry.host}`]),
    unansweredStartMs: 500,
  });
  try {
    const folder = await rig.folder();
    await check({
      runtime: rig.runtime,
      unreachable: createDockerRuntime({ ...rig.options, socketPath: join(folder, 'no-engine.sock') }),
      signal: rig.signal,
      assign: (program, change) => rig.assign({ ...programs[program], ...change }),
      images: { present: `${registry.base}/ports:v1`, missing: `${registry.base}/ports:v2` },
      newPath: () => join(folder, randomUUID()),
      bytesOf: (path) => readFileSync(path),
    });
  } finally {
    await rig.close();
    await registry.removePulled(rig.docker);
  }
});
