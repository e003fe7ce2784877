import { expect, it } from 'vitest';
import { diskSettingText, scratchText } from './scratch-text.ts';

const gib = 2 ** 30;
const memory = { kind: 'memory', offeredBytes: 6 * gib, programBytes: 18 * gib } as const;

it('says which scratch is used and what is sold of it', () => {
  expect(scratchText({ ...memory, kind: 'loop' })).toBe('on disk, in loop devices');
  expect(scratchText(memory)).toBe(
    'in memory: of 24.0 GiB for tasks 6.0 GiB is sold as disk, for no less than memory costs',
  );
});

it('says so where a setting was meant for a disk', () => {
  const large = { kind: 'amount', value: 100 * gib } as const;
  expect(diskSettingText(memory, large)).toContain('resources.disk is 100.0 GiB');
  expect(diskSettingText(memory, { kind: 'amount', value: 12 * gib })).toBeUndefined();
  expect(diskSettingText(memory, { kind: 'percent', value: 50 })).toBeUndefined();
  expect(diskSettingText({ ...memory, kind: 'loop' }, large)).toBeUndefined();
});
