import { expect, test } from 'vitest';
import { archOfEngine, type Platform, wrongPlatform } from './image-platform.ts';

const on = (architecture: string, os = 'linux'): Platform => ({ architecture, os });

test.each([
  ['x86_64', 'amd64'],
  ['aarch64', 'arm64'],
  ['armv7l', 'arm'],
  ['riscv64', 'riscv64'],
  ['constructor', 'constructor'],
])('an engine on %s runs %s', (architecture, arch) => {
  expect(archOfEngine(architecture)).toBe(arch);
});

test.each<[string, readonly Platform[]]>([
  ['the same', [on('amd64')]],
  ['one of many', [on('arm64'), on('amd64'), on('unknown', 'unknown')]],
  ['nothing known', []],
  ['nothing said', [on('', '')]],
  ['attestations alone', [on('unknown', 'unknown')]],
])('runs %s', (_, platforms) => {
  expect(wrongPlatform('x', platforms, 'amd64')).toBeUndefined();
});

test.each<[string, readonly Platform[], readonly string[] | undefined]>([
  ['another one', [on('arm64')], ['arm64']],
  ['an older kind, whose system calls are closed', [on('386')], ['386']],
  ['others', [on('arm64'), on('s390x'), on('arm64'), on('unknown', 'unknown')], ['arm64', 's390x']],
  ['another system', [on('amd64', 'windows')], undefined],
  ['a name that no offer has', [on('Sparc-64')], undefined],
])('refuses %s', (_, platforms, imageRunsOn) => {
  const wrong = wrongPlatform('registry.example/app:1', platforms, 'amd64');
  expect(wrong).toMatchObject({ reason: 'image_wrong_platform' });
  expect(wrong?.message).toMatch(/^registry\.example\/app:1 is made for .*; the node runs linux\/amd64\.$/);
  expect(wrong?.imageRunsOn).toEqual(imageRunsOn);
});
