import { hasEngine } from '@capacloud/rig/engine/real-parts';
import { beforeAll, describe, it } from 'vitest';
import { buildPackages } from '../../scripts/build-packages.ts';
import { freezeAgent } from './cases/freeze.ts';
import { twinAgents } from './cases/twins.ts';
import { tryCase } from './try-case.ts';

const dockerSocket = process.env['CAPACLOUD_DOCKER_SOCKET'];
const twice = { liveJobs: 1, durationMs: 0, minStrikes: 2, maxStrikes: 2 };

beforeAll(async () => {
  if (dockerSocket !== undefined) await buildPackages(new AbortController().signal);
});

// They wait most of the time, so they do it together.
describe.concurrent('a network that is hurt for a moment', () => {
  it.skipIf(!hasEngine())(
    'gives away what a frozen agent holds, and does not pay for its late report',
    async ({ expect }) => {
      expect(await tryCase(freezeAgent, twice, dockerSocket)).toEqual([]);
    },
  );

  it.skipIf(!hasEngine())('lets one key be one node, whoever else holds it', async ({ expect }) => {
    expect(await tryCase(twinAgents, twice, dockerSocket)).toEqual([]);
  });
});
