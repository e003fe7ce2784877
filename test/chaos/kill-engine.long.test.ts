import { canRunEngine } from '@capacloud/rig/engine/real-parts';
import { beforeAll, expect, it } from 'vitest';
import { buildPackages } from '../../scripts/build-packages.ts';
import { cutPower } from './cases/kill.ts';
import { killingPace, tryCase } from './try-case.ts';

/** A cut takes everything along, and an engine its time to come back. */
const cuttingPace = { ...killingPace, minStrikes: 6 };

beforeAll(async () => {
  if (canRunEngine()) await buildPackages(new AbortController().signal);
});

it.skipIf(!canRunEngine())(
  'blames nobody but the provider, and pays for nothing that was lost, while the engine loses its power again and again',
  async () => {
    expect(await tryCase(cutPower, cuttingPace)).toEqual([]);
  },
);
