import { expect, test } from 'vitest';
import { imageReferenceText, parseImageReference } from './image-reference.ts';

const hex = '43a04792ff7f'.padEnd(64, 'a');

test.each([
  ['ubuntu', 'docker.io/library/ubuntu:latest'],
  ['ubuntu:22.04', 'docker.io/library/ubuntu:22.04'],
  ['docker.io/ubuntu', 'docker.io/library/ubuntu:latest'],
  ['index.docker.io/library/ubuntu', 'docker.io/library/ubuntu:latest'],
  ['company/internal-api', 'docker.io/company/internal-api:latest'],
  ['ghcr.io/org/team/app:V1.0_rc-2', 'ghcr.io/org/team/app:V1.0_rc-2'],
  ['localhost/app', 'localhost/app:latest'],
  ['registry:5000/a__b/c--d.e_f', 'registry:5000/a__b/c--d.e_f:latest'],
  ['GHCR.io/org/app', 'GHCR.io/org/app:latest'],
  ['[2001:db8::1]:5000/app:1', '[2001:db8::1]:5000/app:1'],
  [`ubuntu@sha256:${hex}`, `docker.io/library/ubuntu@sha256:${hex}`],
  [`ubuntu:22.04@sha256:${hex}`, `docker.io/library/ubuntu@sha256:${hex}`],
  [`a/b@sha512:${hex}${hex}`, `docker.io/a/b@sha512:${hex}${hex}`],
  // By the grammar this is a repository; that it could be the beginning of an id is the agent's to know.
  ['43a04792ff7f', 'docker.io/library/43a04792ff7f:latest'],
])('%s is %s', (text, meant) => {
  const parsed = parseImageReference(text);
  expect(parsed.ok && imageReferenceText(parsed.value)).toBe(meant);
});

test('registry, repository, tag and digest are told apart', () => {
  expect(parseImageReference(`host.example:5000/a/b:1@sha256:${hex}`)).toEqual({
    ok: true,
    value: { registry: 'host.example:5000', repository: 'a/b', tag: '1', digest: `sha256:${hex}` },
  });
});

test.each([
  ['a:tag:tag', /has more than one colon/],
  ['python::3', /has more than one colon/],
  ['ubuntu:22.04/foo', /has "22\.04" where the port of a registry would stand.*; a tag stands at the end$/],
  [
    'quay.io:99999/a/b',
    /has "99999" where the port of a registry would stand, which is a number up to 65535/,
  ],
  ['user:secret@ghcr.io/a/b', 'must not hold the name of a user; images are pulled without credentials'],
  ['a'.repeat(300), 'has a name that is longer than 255 characters with its registry'],
  [`${'x/'.repeat(130)}a`, 'has a name that is longer than 255 characters with its registry'],
  [`a:sha256:${hex}`, `must have an @ before its digest; write a@sha256:${hex}`],
  [`a@${hex}`, new RegExp(`; write a@sha256:${hex}$`)],
  [`a@sha256-${hex}`, new RegExp(`; write a@sha256:${hex}$`)],
  [`a@SHA256:${hex}`, new RegExp(`; write a@sha256:${hex}$`)],
  ['docker-daemon:ubuntu:22.04', 'must be written without docker-daemon:; write ubuntu:22.04'],
  ['docker-archive:/tmp/x.tar', 'must be written without docker-archive:'],
  ['./app', /is a path of this machine; push the image to a registry/],
  ['/home/me/app.sif', /is a path of this machine/],
  ['"python:3.10"', /contains "\\"".*; write python:3\.10$/],
  ['python:3.10,', /; write python:3\.10$/],
  ['\u200bubuntu', /contains the character U\+200B.*; write ubuntu$/],
  ['image: ubuntu', 'must not contain spaces; write ubuntu'],
  ['FROM ubuntu:22.04 AS build', 'must not contain spaces; write ubuntu:22.04'],
  // The last word is no image.
  ['docker run --rm ubuntu:22.04 bash', 'must not contain spaces'],
  ['https://huggingface.co/org/model', 'must be the name of an image, not the address of a web page'],
  ['docker://ubuntu:22.04', 'must be written without docker://; write ubuntu:22.04'],
  ['oci://ghcr.io/Org/app', 'must be written without oci://; write ghcr.io/org/app'],
  ['https://hub.docker.com/r/library/ubuntu', /not the address of a web page; write library\/ubuntu$/],
  ['https://hub.docker.com/_/ubuntu/tags', /; write ubuntu$/],
  ['hub.docker.com/r/org/app', /; write org\/app$/],
  ['https://github.com/Org/repo/pkgs/container/app', /; write ghcr\.io\/org\/app$/],
  ['https://quay.io/repository/org/app?tab=tags', /; write quay\.io\/org\/app$/],
  ['https://ghcr.io/org/app:1', /; write ghcr\.io\/org\/app:1$/],
  [
    'http://127.0.0.1:8080/latest/meta-data/?a=1',
    'must be the name of an image, not the address of a web page',
  ],
  ['Ubuntu:22.04', 'must have its repository in lower case; write ubuntu:22.04'],
  ['ghcr.io/Org/App', 'must have its repository in lower case; write ghcr.io/org/app'],
  ['GHCR.io/Org/App:V1', 'must have its repository in lower case; write GHCR.io/org/app:V1'],
  ['Org/app', 'must have its repository in lower case; write org/app'],
  ['a//b', 'has an empty path part or one that is a dot; write a/b'],
  ['a/./b:1', 'has an empty path part or one that is a dot; write a/b:1'],
  ['ubuntu/', 'has an empty path part or one that is a dot; write ubuntu'],
  ['/ubuntu', 'has an empty path part or one that is a dot; write ubuntu'],
  ['a/..', /must not contain the path part \.\./],
  ['x/../../127.0.0.1:18999/latest/meta-data', /must not contain the path part \.\./],
  ['', /is empty/],
  ['  ', /is empty/],
  [' ubuntu ', 'must not contain spaces; write ubuntu'],
  ['docker pull ubuntu:22.04', 'must not contain spaces; write ubuntu:22.04'],
  ['ubuntu:22 .04', 'must not contain spaces; write ubuntu:22.04'],
  ['ubuntu:', 'ends in a colon without a tag; write ubuntu'],
  [':22.04', /has no name/],
  ['ubuntu@22.04', /comes a digest.*; write ubuntu:22\.04$/],
  ['ubuntu@sha256:1234', 'has a digest of 4 hex digits; sha256 has 64, so a part of it may be missing'],
  [`ubuntu@sha256:${hex}0`, /digest of 65 hex digits/],
  [`ubuntu@sha256:${'z'.repeat(64)}`, /something other than hex digits/],
  [`ubuntu@sha256:${hex.toUpperCase()}`, `must have its digest in lower case; write ubuntu@sha256:${hex}`],
  [`ubuntu@md5:${hex}`, /after @ comes a digest/],
  [`@sha256:${hex}`, /has no name/],
  [hex, /is the id of an image/],
  [`sha256:${hex}`, /is the id of an image/],
  ['sha256:43a0', /is the id of an image/],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: what people write who forget to fill it in
  ['${IMAGE}', /contains "\$"/],
  ['ubuntu%2f..', /contains "%"/],
  ['ubuntu?x=1', /contains "\?"/],
  ['a\\b', /contains/],
  ['übuntu', /contains "ü"/],
  ['a\u0000b', /contains the character U\+0000/],
  ['ubuntu:22.04:1', /has more than one colon/],
  ['ubuntu:-1', /has the tag "-1"/],
  [`ubuntu:${'1'.repeat(129)}`, /128 are allowed/],
  ['a..b', /parts are lower-case/],
  ['a___b', /parts are lower-case/],
  ['-a', /parts are lower-case/],
  ['a-/b', /parts are lower-case/],
  ['host.example:99999/a', /where the port of a registry would stand/],
  ['host.example:/a', /where the port of a registry would stand/],
  ['a'.repeat(256), /longer than 255/],
  ['a/'.repeat(300), /./],
])('%j is refused in words', (text, message) => {
  const parsed = parseImageReference(text);
  expect(parsed.ok ? parsed.value : parsed.refusal).toMatch(message);
});

test('every suggestion is a reference, and no text takes long', () => {
  const parts = [
    'a',
    'A',
    '/',
    '//',
    '.',
    '..',
    ':',
    '@',
    '-',
    '_',
    'sha256:',
    'https://',
    hex,
    ' ',
    '%',
    '?',
  ];
  for (let n = 0; n < 20_000; n++) {
    const text = Array.from(
      { length: (n % 7) + 1 },
      (_, i) => parts[(n * (i + 7) + n * n * i) % parts.length],
    ).join('');
    const parsed = parseImageReference(text);
    const fix = parsed.ok ? undefined : /; write (.*)$/.exec(parsed.refusal)?.[1];
    if (fix !== undefined) expect(parseImageReference(fix)).toMatchObject({ ok: true });
    if (parsed.ok) expect(imageReferenceText(parsed.value)).not.toMatch(/\/\/|\/\.|[^\w./:@[\]-]/);
  }
  for (const text of [
    'a-'.repeat(255),
    'a.'.repeat(255),
    'A'.repeat(512),
    `${'1:'.repeat(255)}/`,
    '-'.repeat(1e6),
  ])
    expect(parseImageReference(text).ok).toBe(false);
});
