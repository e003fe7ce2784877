import { expect, test } from 'vitest';
import { parseRegistry, readRegistries, registryOrigin, tokenOrigin } from './registries.ts';

const origin = (texts: readonly string[], registry: string) =>
  registryOrigin(readRegistries(texts), { registry });

test.each([
  ['docker.io', 'registry-1.docker.io'],
  ['GHCR.io', 'ghcr.io'],
  ['eu.gcr.io', 'eu.gcr.io'],
  ['europe-docker.pkg.dev', 'europe-docker.pkg.dev'],
  ['quay.io:443', 'quay.io'],
])('%s is allowed where nothing is set', (registry, host) =>
  expect(origin(['default'], registry)).toMatchObject({
    host,
    port: '',
    protocol: 'https:',
    mayBePrivate: false,
  }),
);

test.each([
  'evil.example',
  'gcr.io.evil.example',
  'evilgcr.io',
  'docker.io:5000',
  'localhost',
  '127.0.0.1',
  'pkg.dev',
])('%s is not allowed where nothing is set', (registry) =>
  expect(origin(['default'], registry)).toBeUndefined(),
);

test('a registry that the owner names may lie in a network of the owner, with and without TLS', () => {
  const own = ['default', 'registry.lan', 'http://127.0.0.1:5000', '[fd00::1]:5000', '*.company.example'];
  expect(origin(own, 'registry.lan')).toMatchObject({ protocol: 'https:', mayBePrivate: true });
  expect(origin(own, '127.0.0.1:5000')).toMatchObject({
    protocol: 'http:',
    port: '5000',
    mayBePrivate: true,
  });
  expect(origin(own, '[fd00::1]:5000')).toMatchObject({ mayBePrivate: true });
  expect(origin(own, '127.0.0.1')).toBeUndefined();
  expect(origin(own, '127.0.0.1:5001')).toBeUndefined();
  expect(origin(own, 'a.company.example')).toMatchObject({ mayBePrivate: false });
  expect(origin(own, 'docker.io')).toMatchObject({ mayBePrivate: false });
});

test('a star means names of the public Internet and no port but that of TLS', () => {
  expect(origin(['*'], 'any.example')).toMatchObject({ mayBePrivate: false, isTrusted: false });
  for (const registry of [
    'any.example:5000',
    '10.0.0.1',
    '127.1',
    '[::1]',
    'localhost',
    'a.localhost',
    'nas.local',
    'db.internal',
  ])
    expect(origin(['*'], registry)).toBeUndefined();
});

test.each(['', 'a b', 'http://*', 'https://a/b', 'a:0', 'a:70000', '*.com', 'a*', '**', 'a..b', 'user@host'])(
  'refuses %j as a registry',
  (text) => expect(parseRegistry(text).ok).toBe(false),
);

test('tokens come from the registry, from where it is known to keep them, or from another entry', () => {
  const allowed = readRegistries(['default']);
  const hub = registryOrigin(allowed, { registry: 'docker.io' });
  const gitlab = registryOrigin(allowed, { registry: 'registry.gitlab.com' });
  if (hub === undefined || gitlab === undefined) throw new Error('they are allowed');
  const at = (from: typeof hub, realm: string) => tokenOrigin(allowed, from, new URL(realm))?.host;
  expect(at(hub, 'https://auth.docker.io/token')).toBe('auth.docker.io');
  expect(at(gitlab, 'https://gitlab.com/jwt/auth')).toBe('gitlab.com');
  for (const realm of [
    'http://auth.docker.io/token',
    'https://auth.docker.io:444/',
    'https://gitlab.com/',
    'https://auth.docker.io.evil.example/',
    'http://127.0.0.1/',
  ])
    expect(at(hub, realm)).toBeUndefined();
});
