import { expect, test } from 'vitest';
import { imageVolumes } from './container-mounts.ts';

test('each volume of an image is memory, however the image spells its folder', () => {
  const user = { uid: 1234, gid: 5 };
  const taken = [{ Type: 'volume', Source: 'scratch', Target: '/out', ReadOnly: false }] as const;
  const spellings = ['//data', '/b/.', '/c/', '/x/../d', '//out', '/./tmp', '/home//task/', '/dev/shm/.'];
  // Under another spelling than its own, an engine would put a volume on its disk in the same place.
  const volumes = imageVolumes(spellings, [...taken], user, '/home/task');
  expect(Object.keys(volumes)).toEqual(['/data', '/b', '/c', '/d']);
});
