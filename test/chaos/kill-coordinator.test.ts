import { afterEach, beforeAll, expect, it } from 'vitest';
import { buildPackages } from '../../scripts/build-packages.ts';
import { type ChaosRig, openChaosRig } from './chaos-rig.ts';
import { tell } from './tell.ts';

const dockerSocket = process.env['CAPACLOUD_DOCKER_SOCKET'];

let rig: ChaosRig | undefined;
beforeAll(async () => {
  if (dockerSocket !== undefined) await buildPackages(new AbortController().signal);
});
afterEach(() => rig?.close());

it.skipIf(dockerSocket === undefined)(
  'loses nothing and pays nothing twice while the coordinator is killed again and again',
  async () => {
    rig = await openChaosRig({ dockerSocket: dockerSocket ?? '', scratch: ['memory'], cheapJobs: true });
    const { coordinator } = rig;
    const kills = await rig.killRepeatedly(60, async () => {
      await coordinator.process.kill();
      await coordinator.start();
    });
    const report = await rig.finish();
    tell(`coordinator killed ${kills} times`, rig.workload, report);
    expect(report.findings).toEqual([]);
    // Its agents work on without it.
    expect(report.losses).toEqual([]);
  },
);
