import { expect, test } from 'vitest';
import { type Flaw, openFlaws } from './engine-flaws.ts';

const escape = 'CVE-2024-21626';
const sharedMounts = ['CVE-2025-31133', 'CVE-2025-52565', 'CVE-2025-52881'];

test.each<[Flaw['part'], string, readonly string[], boolean]>([
  ['runc', '1.1.11', [escape, ...sharedMounts], false],
  ['runc', '1.1.12', sharedMounts, false],
  ['runc', '1.0.0-rc10', [escape, ...sharedMounts], false],
  ['runc', '1.2.7', sharedMounts, false],
  ['runc', '1.2.8', [], false],
  ['runc', 'v1.3.4-0-gd6d73eb8', [], false],
  ['runc', '1.3.2', sharedMounts, false],
  ['runc', '1.4.0-rc.2', sharedMounts, false],
  ['runc', '1.4.0-rc.3', [], false],
  ['runc', '1.4.0', [], false],
  ['runc', '1.5.1', [], false],
  ['runc', '1.1.5+ds1-1', [escape, ...sharedMounts], true],
  ['runc', '1.1.5+ds1-1+deb12u1', sharedMounts, true],
  ['runc', '1.1.5+ds1-1+deb12u10', sharedMounts, true],
  ['runc', '1.1.5+ds1-1+deb12u1+b6', sharedMounts, true],
  ['runc', '1.1.4+ds1-1+deb12u1', [escape, ...sharedMounts], true],
  ['runc', '1.1.7-0ubuntu1~22.04.1', [escape, ...sharedMounts], true],
  ['runc', '1.1.7-0ubuntu1~22.04.3', sharedMounts, true],
  ['Docker', '20.10.17', ['CVE-2022-36109'], false],
  ['Docker', '20.10.5+dfsg1', ['CVE-2022-36109'], true],
  ['Docker', '20.10.24+dfsg1', [], true],
  ['Docker', '28.2.2', [], false],
])('%s %s has %j open', (part, build, ids, isDistribution) => {
  const found = openFlaws(part, build);
  expect(found?.flaws.map(({ id }) => id)).toEqual(ids);
  expect(found?.isDistribution).toBe(isDistribution);
});

test('what is no number is not judged', () => {
  for (const build of ['', 'unknown', '860f061b76bb4fc671f0f9e900f7d80ff93d4eb7'])
    expect(openFlaws('runc', build)).toBeUndefined();
});
