import { expect, test } from 'vitest';
import { type Environment, readProxyChoice } from './proxy-choice.ts';

function shown(env: Environment, url: string): string | undefined {
  return readProxyChoice(env)(new URL(url))?.shown;
}

test.each<[Environment, string, string | undefined]>([
  [{ HTTPS_PROXY: 'http://p:3128' }, 'wss://c.example', 'http://p:3128'],
  [{ HTTPS_PROXY: 'http://p:3128' }, 'ws://c.example', undefined],
  [{ HTTP_PROXY: 'p:3128' }, 'ws://c.example', 'http://p:3128'],
  [{ https_proxy: 'https://small', HTTPS_PROXY: 'http://big' }, 'https://c.example', 'https://small'],
  [{ https_proxy: '', HTTPS_PROXY: 'http://big' }, 'https://c.example', 'http://big'],
  [{ ALL_PROXY: 'http://all', HTTP_PROXY: 'http://p' }, 'https://c.example', 'http://all'],
  [{ ALL_PROXY: 'http://all', HTTP_PROXY: 'http://p' }, 'http://c.example', 'http://p'],
  [{}, 'https://c.example', undefined],
  [{ HTTPS_PROXY: 'http://u:secret@p:1' }, 'https://c.example', 'http://p:1'],
])('%o: %s is reached through %s', (env, url, expected) => expect(shown(env, url)).toBe(expected));

test.each([
  ['*', 'https://c.example', true],
  ['c.example', 'https://c.example', true],
  ['c.example', 'https://a.c.example', true],
  ['.c.example', 'https://a.c.example', true],
  ['*.c.example', 'https://a.c.example', true],
  ['c.example', 'https://notc.example', false],
  ['C.Example.', 'https://c.example', true],
  ['a.example, b.example c.example', 'wss://c.example', true],
  ['c.example:8443', 'https://c.example', false],
  ['c.example:8443', 'https://c.example:8443', true],
  ['c.example:443', 'wss://c.example', true],
  ['10.0.0.0/8', 'https://10.1.2.3', true],
  ['10.0.0.0/8', 'https://11.1.2.3', false],
  ['192.168.1.5', 'https://192.168.1.5:9', true],
  ['fd00::/8', 'https://[fd12::1]', true],
  ['[fd12::1]:443', 'https://[fd12::1]', true],
  ['10.0.0.0/99', 'https://10.1.2.3', false],
  ['', 'https://127.0.0.1', true],
  ['', 'https://localhost', true],
  ['', 'https://[::1]:9', true],
  ['', 'https://c.example', false],
])('NO_PROXY=%s, %s: direct is %s', (NO_PROXY, url, direct) => {
  expect(shown({ ALL_PROXY: 'http://p', NO_PROXY }, url) === undefined).toBe(direct);
});

test.each(['socks5://u:secret@p:1', 'http://', 'ftp://p', 'http://u:%zz@p'])(
  'refuses %s, and does not repeat it',
  (HTTPS_PROXY) => {
    expect(() => readProxyChoice({ HTTPS_PROXY })).toThrow(
      expect.objectContaining({ code: 'config.invalid', message: expect.not.stringContaining('secret') }),
    );
  },
);

test('credentials are decoded', () => {
  const proxy = readProxyChoice({ HTTPS_PROXY: 'http://me:p%40ss@p:1' })(new URL('https://c.example'));
  expect(proxy?.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
});
