import { spawnSync } from 'node:child_process';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { buildPackages } from '../../scripts/build-packages.ts';
import { OwnEngine } from '../e2e/own-engine.ts';
import { type ChaosRig, openChaosRig } from './chaos-rig.ts';
import { tell } from './tell.ts';

const canRunEngine =
  process.env['CAPACLOUD_DOCKER_SOCKET'] !== undefined &&
  process.getuid?.() === 0 &&
  spawnSync('dockerd', ['--version']).status === 0;

let engine: OwnEngine | undefined;
let rig: ChaosRig | undefined;
beforeAll(async () => {
  if (canRunEngine) await buildPackages(new AbortController().signal);
});
afterEach(async () => {
  await rig?.close();
  await engine?.close();
});

it.skipIf(!canRunEngine)(
  'blames nobody but the provider, and pays for nothing that was lost, while the engine loses its power again and again',
  async () => {
    engine = await OwnEngine.start();
    rig = await openChaosRig({ dockerSocket: engine.socketPath, scratch: ['memory'] });
    const own = engine;
    const kills = await rig.killRepeatedly(30, async () => {
      await own.cutPower();
      await own.start();
    });
    const report = await rig.finish();
    tell(`engine cut off ${kills} times`, rig.workload, report);
    expect(report.findings).toEqual([]);
    // Else no cut met a container, and nothing was tested.
    expect(report.reasons.get('engine_lost') ?? 0).toBeGreaterThan(0);
  },
);
