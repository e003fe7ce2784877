import { expect, test } from 'vitest';
import { volumesFault } from './image-volumes.ts';

test.each(['/', '//', '/a/..', 'data', '', '/proc', '/proc/x', '/sys/y/', '/./proc'])(
  'an image with the volume %j is at fault itself',
  (folder) => {
    expect(volumesFault(['/data', folder])).toContain('as a volume');
  },
);

test('a handful of plain folders is no fault', () => {
  expect(volumesFault(['/data', '/process', '/var/sys', '/dev/shm'])).toBeUndefined();
  expect(volumesFault(Array.from({ length: 17 }, (_, index) => `/data${index}`))).toContain('more than 16');
});
