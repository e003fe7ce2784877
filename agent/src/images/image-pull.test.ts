import { parseImageReference } from '@capacloud/protocol/job/image-reference';
import { expect, it } from 'vitest';
import { engineName } from './image-pull.ts';

const digest = `sha256:${'0'.repeat(64)}`;

it.each([
  ['busybox', 'docker.io/library/busybox'],
  ['registry.example:5000/team/app', 'registry.example-5000/team/app'],
  ['[::1]:5000/team/app', '1--5000/team/app'],
  ['[2001:db8::1]/app', '2001-db8--1/app'],
  ['[fe80::]/app', 'fe80/app'],
  ['xn--a.example/a__b/c', 'xn--a.example/a__b/c'],
])('an engine takes the name of %s', (text, path) => {
  const reference = parseImageReference(text);
  if (!reference.ok) throw new Error(reference.refusal);
  const name = engineName(reference.value, digest);
  expect(name).toBe(`pulled.capacloud.invalid/${path}:${digest.replace(':', '-')}`);
  expect(parseImageReference(name)).toMatchObject({ ok: true });
});
