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
  'adopts what it finds, and does nothing twice, while agents are killed again and again',
  async () => {
    const scratch = process.getuid?.() === 0 ? (['memory', 'loop'] as const) : (['memory'] as const);
    rig = await openChaosRig({ dockerSocket: dockerSocket ?? '', scratch });
    const { agents } = rig;
    const kills = await rig.killRepeatedly(20, async (count) => {
      const agent = agents[count % agents.length];
      await agent?.process.kill();
      agent?.start();
    });
    const report = await rig.finish();
    tell(`agents killed ${kills} times`, rig.workload, report);
    expect(report.findings).toEqual([]);
    // Containers outlive their agent, so not one attempt is lost to it.
    expect(report.losses).toEqual([]);
  },
);
