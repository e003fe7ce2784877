import { hasEngine } from '@capacloud/rig/engine/real-parts';
import { beforeAll, expect, it } from 'vitest';
import { buildPackages } from '../../scripts/build-packages.ts';
import { killCoordinator } from './cases/kill.ts';
import { killingPace, tryCase } from './try-case.ts';

const dockerSocket = process.env['CAPACLOUD_DOCKER_SOCKET'];

beforeAll(async () => {
  if (dockerSocket !== undefined) await buildPackages(new AbortController().signal);
});

it.skipIf(!hasEngine())(
  'loses nothing and pays nothing twice while the coordinator is killed again and again',
  async () => {
    expect(await tryCase(killCoordinator, killingPace, dockerSocket)).toEqual([]);
  },
);
