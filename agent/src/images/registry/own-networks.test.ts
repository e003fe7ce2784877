import { createConnections } from '@capacloud/transfer/connections';
import { expect, it } from 'vitest';
import { readRegistries, registryOrigin } from '../../core/registries.ts';
import { GuardedClient } from './guarded-client.ts';
import { isOwnAddress, networksOfMachine } from './own-networks.ts';

it.each([
  ['93.184.215.14', '93.184.215.14/24', true],
  ['93.184.215.200', '93.184.215.14/24', true],
  ['93.184.216.1', '93.184.215.14/24', false],
  ['93.184.215.14', '93.184.215.14/0', true],
  ['93.184.215.15', '93.184.215.14/0', false],
  ['2a00:1450:4001:81a::1', '2a00:1450:4001:9aa::5/64', false],
  ['2a00:1450:4001:8b0::1', '2a00:1450:4001:8aa::5/64', true],
  ['2a00:1450:4001:8b0::1', '2a00:1450:4001:8aa::5/128', true],
  ['2a00:1450:4001:8b0::1', '2a00::5/3', false],
  ['2a00:1450:4001:8b0::1', '93.184.215.14/24', false],
])('%s beside %s: %s', (address, network, isOwn) => expect(isOwnAddress(address, [network])).toBe(isOwn));

it('knows the networks of this machine', () => {
  expect(networksOfMachine()).toContain('127.0.0.1/8');
});

it('connects to no public address of the own network where the owner did not name the host', async () => {
  const direct = createConnections({ env: {}, agent: { keepAlive: false } });
  const client = new GuardedClient({
    proxied: direct,
    direct,
    resolve: () => Promise.resolve(['93.184.215.14']),
    ownNetworks: () => ['93.184.215.200/24'],
  });
  const origin = registryOrigin(readRegistries(['*']), { registry: 'app.example.com' });
  if (origin === undefined) throw new Error('the registry is not allowed');
  const url = new URL('https://app.example.com/v2/');
  const { signal } = new AbortController();
  await expect(client.get(origin, url, {}, signal)).rejects.toThrow('a network of this machine');
});
