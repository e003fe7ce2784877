import { describe, expect, it, test } from 'vitest';
import { ClientAddresses, maxKnown, proxyFault } from './client-addresses.ts';

const addresses = new ClientAddresses(['10.0.0.0/8', '2001:db8:ff::/48', '192.0.2.7', 'loopback']);

function from(remoteAddress: string | undefined, forwarded?: string | string[]): string {
  return addresses.of({
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded as string },
  });
}

describe('ClientAddresses', () => {
  it.each([
    ['198.51.100.1', '198.51.100.1'],
    ['::ffff:198.51.100.1', '198.51.100.1'],
    ['::FFFF:c633:6401', '198.51.100.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::9', '2001:db8:1:3::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    [undefined, 'unnamed'],
  ])('counts a peer %s as %s', (peer, counted) => {
    expect(from(peer)).toBe(counted);
  });

  it('reads the header of trusted proxies from the right, as far as they wrote it', () => {
    expect(from('10.1.1.1', '198.51.100.1')).toBe('198.51.100.1');
    expect(from('::ffff:10.1.1.1', '198.51.100.1')).toBe('198.51.100.1');
    // What the client wrote itself stands further left.
    expect(from('10.1.1.1', '203.0.113.9, 198.51.100.1')).toBe('198.51.100.1');
    expect(from('10.1.1.1', '203.0.113.9,198.51.100.1, 10.9.9.9,192.0.2.7')).toBe('198.51.100.1');
    expect(from('10.1.1.1', '203.0.113.9, 192.0.2.8')).toBe('192.0.2.8');
    expect(from('2001:db8:ff:1::1', '2001:db8:7:7:1::1')).toBe('2001:db8:7:7::/64');
    expect(from('127.0.0.1', ['203.0.113.9', '198.51.100.1'])).toBe('198.51.100.1');
    expect(from('10.1.1.1', '10.2.2.2, 10.3.3.3')).toBe('10.2.2.2');
    expect(from('10.1.1.1')).toBe('10.1.1.1');
  });

  it('takes addresses with a port, and no other text for an address', () => {
    expect(from('10.1.1.1', '198.51.100.1:4711')).toBe('198.51.100.1');
    expect(from('10.1.1.1', '[2001:db8:7:7::1]:4711')).toBe('2001:db8:7:7::/64');
    expect(from('10.1.1.1', '[2001:db8:7:7::1]')).toBe('2001:db8:7:7::/64');
    for (const odd of [
      '',
      ' ',
      ',',
      'unknown',
      '_hidden',
      '198.51.100.1, ',
      '1.2.3',
      '198.51.100.256',
      '::g',
      '[]',
    ])
      expect([odd, from('10.1.1.1', odd)]).toEqual([odd, '10.1.1.1']);
    expect(from('10.1.1.1', 'x'.repeat(16_000))).toBe('10.1.1.1');
    expect(from('10.1.1.1', 'unknown, 10.2.2.2')).toBe('10.2.2.2');
    // Endless proxies: the hop that was reached counts, and the rest is not read.
    expect(from('10.1.1.1', `198.51.100.1, ${'10.2.2.2, '.repeat(1000)}10.2.2.2`)).toBe('10.2.2.2');
  });

  it('believes nobody else, and says so once for each', () => {
    const ignored: string[] = [];
    const strict = new ClientAddresses(['10.0.0.1'], (peer) => ignored.push(peer));
    const of = (remoteAddress: string, headers: Record<string, string>) =>
      strict.of({ socket: { remoteAddress }, headers });
    expect(of('172.17.0.1', { 'x-forwarded-for': '10.0.0.1' })).toBe('172.17.0.1');
    expect(of('172.17.0.1', { 'x-forwarded-for': '198.51.100.1' })).toBe('172.17.0.1');
    expect(of('172.17.0.1', { forwarded: 'for=198.51.100.1' })).toBe('172.17.0.1');
    expect(of('::ffff:172.17.0.2', { 'x-real-ip': '198.51.100.1' })).toBe('172.17.0.2');
    expect(ignored).toEqual(['172.17.0.1', '172.17.0.2']);
    // Of a proxy, only the header that it writes itself.
    expect(of('10.0.0.1', { forwarded: 'for=198.51.100.1', 'x-real-ip': '198.51.100.1' })).toBe('10.0.0.1');
    for (let i = 0; i < 300; i++) of(`203.0.113.${i % 256}`, { 'x-forwarded-for': '10.0.0.1' });
    expect(ignored).toHaveLength(16);
  });
});

test('addresses that proved themselves are known, the most recent so many of them', () => {
  const clients = new ClientAddresses(['10.0.0.1']);
  for (let i = 0; i < maxKnown; i++) clients.know(`a${i}`);
  clients.know('a0');
  clients.know('one more');
  expect(['a0', 'a1', 'a2', 'one more'].map((each) => clients.isKnown(each))).toEqual([
    true,
    false,
    true,
    true,
  ]);
  expect(['::ffff:10.0.0.1', '10.0.0.2', undefined].map((each) => clients.isProxy(each))).toEqual([
    true,
    false,
    false,
  ]);
});

test('proxyFault takes addresses and ranges, and refuses what would trust everybody', () => {
  for (const good of [
    '10.0.0.0/8',
    '192.0.2.1',
    '::1',
    '2001:db8::/32',
    '::ffff:10.0.0.0/104',
    'loopback',
    'uniquelocal',
  ])
    expect(proxyFault(good)).toBeUndefined();
  for (const bad of [
    '',
    'proxy.example',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '::/129',
    'fe80::1%eth0',
    '::ffff:10.0.0.0/95',
    'constructor',
  ])
    expect([bad, proxyFault(bad)]).toEqual([bad, expect.stringContaining('must be an address')]);
  for (const all of ['0.0.0.0/0', '::/0', '::ffff:0.0.0.0/96'])
    expect(proxyFault(all)).toContain('every address');
  const mapped = new ClientAddresses(['::ffff:10.0.0.0/104']);
  expect(
    mapped.of({ socket: { remoteAddress: '10.1.1.1' }, headers: { 'x-forwarded-for': '198.51.100.1' } }),
  ).toBe('198.51.100.1');
});
