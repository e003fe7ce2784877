import { expect, test } from 'vitest';
import { imageVolumes, volumesFault } from './container-mounts.ts';

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

test('each volume of an image is memory, however the image spells its folder', () => {
  const user = { uid: 1234, gid: 5 };
  const taken = [{ Type: 'volume', Source: 'scratch', Target: '/out', ReadOnly: false }] as const;
  const spellings = ['//data', '/b/.', '/c/', '/x/../d', '//out', '/./tmp', '/home//task/', '/dev/shm/.'];
  // Under another spelling than its own, an engine would put a volume on its disk in the same place.
  const volumes = imageVolumes(spellings, [...taken], user, '/home/task');
  expect(Object.keys(volumes)).toEqual(['/data', '/b', '/c', '/d']);
});
