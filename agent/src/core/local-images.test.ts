import { parseImageReference } from '@capacloud/protocol/job/image-reference';
import { expect, test } from 'vitest';
import { isLocalImage, parseLocalImage } from './local-images.ts';

const hex = 'ab'.repeat(32);

// IMAGE-1
test.each([
  [
    'company/app:1',
    ['company/app:1', 'docker.io/company/app:1'],
    ['company/app', 'company/app:11', 'x.example/company/app:1'],
  ],
  ['app', ['app', 'app:latest', 'docker.io/library/app'], ['app:1', 'company/app']],
  [
    'company/app:*',
    ['company/app', 'company/app:1'],
    ['company/app2', 'company/app/b', `company/app@sha256:${hex}`],
  ],
  [
    'company/*',
    ['company/app', 'company/a/b:1'],
    ['company', 'company2/app', 'x.example/company/app', 'x.example/docker.io/company/app'],
  ],
  ['x.example/team/*', ['x.example/team/app:1'], ['x.example/app', 'x.example.org/team/app', 'team/app']],
  [`app@sha256:${hex}`, [`app@sha256:${hex}`, `app:1@sha256:${hex}`], ['app', 'app:1']],
])('%s', (listed, allowed, others) => {
  const parsed = parseLocalImage(listed);
  if (!parsed.ok) throw new Error(parsed.refusal);
  const isAllowed = (text: string) => {
    const reference = parseImageReference(text);
    return reference.ok && isLocalImage([parsed.value], reference.value);
  };
  expect(allowed.filter((text) => !isAllowed(text))).toEqual([]);
  expect(others.filter(isAllowed)).toEqual([]);
});

test.each([
  '*',
  '/*',
  ':*',
  '*/app',
  'a*',
  'comp*/app',
  'docker.io/*',
  'x.example/*',
  'localhost:5000/*',
  'a/**',
  'app:1*',
  'app:1:*',
  `app@sha256:${hex}:*`,
  'App',
  hex,
  'a//*',
  'docker://a',
])('%s is refused', (text) => {
  expect(parseLocalImage(text)).toMatchObject({ ok: false, refusal: expect.any(String) });
});
