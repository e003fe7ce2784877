import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { environmentName, resolveConfig } from './config.ts';
import { settings } from './setting.ts';
import { addSettingFlags, givenSettings } from './setting-flags.ts';

const file = 'coordinator: wss://c.example\n';

function given(...args: readonly string[]) {
  const command = new Command().exitOverride();
  addSettingFlags(command);
  return givenSettings(command.parse([...args], { from: 'user' }).opts());
}

const switches = settings.filter(({ shape }) => shape === 'bool').map(({ key }) => key);

test('there are switches, and a command line without flags gives no setting', () => {
  expect(switches).toEqual(['allow_root', 'share_devices']);
  expect(given()).toEqual({});
});

test.each(switches)('%s is the same switch as a flag, in the environment and in the file', (key) => {
  const flag = key.replace('_', '-');
  const read = (value: 'true' | 'false', args: readonly string[]) => {
    const opposite = value === 'true' ? 'false' : 'true';
    const flags = given(...args);
    return resolveConfig({ file: `${file}${key}: ${opposite}\n`, env: {}, flags });
  };
  const field = key === 'allow_root' ? 'allowRoot' : 'shareDevices';
  const on = expect.objectContaining({ value: expect.objectContaining({ [field]: true }) });
  const off = expect.objectContaining({ value: expect.objectContaining({ [field]: false }) });
  expect(read('true', [`--${flag}`])).toEqual(on);
  expect(read('true', [`--${flag}=true`])).toEqual(on);
  expect(read('true', [`--${flag}`, 'true'])).toEqual(on);
  expect(read('true', [`--${flag}`, '--cpu', '4'])).toEqual(on);
  expect(read('false', [`--no-${flag}`])).toEqual(off);
  expect(read('false', [`--${flag}=false`])).toEqual(off);
  expect(read('false', [`--${flag}`, 'false'])).toEqual(off);
  expect(read('false', [`--${flag}`, `--no-${flag}`])).toEqual(off);
  const env = { [environmentName(key)]: 'true' };
  expect(resolveConfig({ file, env, flags: {} })).toEqual(on);
  expect(resolveConfig({ file, env, flags: given(`--no-${flag}`) })).toEqual(off);
  expect(read('true', [`--${flag}=yes`])).toMatchObject({
    refusal: { code: 'config.invalid', message: `${key} must be true or false` },
  });
});

test('the README has one row for every setting', () => {
  const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, table = ''] = text.split('| key | default | |\n');
  const rows = (table.split('\n\n')[0] ?? '').matchAll(/^\| `([a-z_.]+)` \|/gm);
  const documented = [...rows].map(([, key = '']) => key);
  // The schedule is a list in the file, so it is read apart from the settings that hold one value.
  expect(documented.toSorted()).toEqual([...settings.map(({ key }) => key), 'ask.schedule'].toSorted());
});
