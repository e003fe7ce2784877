import { environmentName, resolveConfig } from '@capacloud/agent/host/config';
import { settings } from '@capacloud/agent/host/setting';
import { readConfig } from '@capacloud/coordinator/config/config';
import { ConfigFileSchema, environmentSettings } from '@capacloud/coordinator/config/config-file';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from './fuzz-run.ts';
import { oddKeys, oddTexts, spoiled, torn } from './odd-values.ts';
import { valuesOf } from './schema-values.ts';

const laughs = `a: &a [x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 10 }, (_, i) => `${'bcdefghijk'[i]}: &${'bcdefghijk'[i]} [${Array.from({ length: 9 }, () => `*${'abcdefghij'[i]}`).join(',')}]`).join('\n')}\n`;
const oddFiles: readonly string[] = [
  '',
  '# nothing',
  '[]',
  'text',
  '42',
  '~',
  '- a',
  '\ufeff{}',
  'name: *gone',
  '? [a]\n: b',
  '__proto__: {name: x}',
  'constructor: {prototype: x}',
  'toString: x',
  'artifacts: []',
  'artifacts: x',
  'rates: {account: 1}',
  'rates: ~',
  'resources: {cpu: {a: 1}}',
  'resources: []',
  'ask: ~',
  'name: "\\ud800"',
  'name: "a\\0b"',
  'data_dir: "\\0"',
  'chain_id: 1e400',
  'chain_id: .nan',
  'chain_id: -0',
  `name: ${'x'.repeat(100_000)}`,
  `${'a: {'.repeat(2000)}`,
  `name: ${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  laughs,
];
const sources = { env: {}, flags: {}, cwd: '/work' };

describe('the coordinator', () => {
  const read = (file: string | undefined, env: Readonly<Record<string, string>> = {}): boolean => {
    const result = readConfig({ ...sources, file, env });
    if (result.ok) {
      const { chainId, port, dataDir, maxArtifactBytes, rates } = result.value;
      for (const number of [chainId, port, maxArtifactBytes, rates.account.burst, rates.address.perSecond])
        expect(Number.isSafeInteger(number)).toBe(true);
      expect(dataDir.startsWith('/')).toBe(true);
    } else {
      expect(result.refusal.code).toBe('config.invalid');
      expect(result.refusal.message).not.toBe('');
    }
    return result.ok;
  };

  test('takes what its schema describes, and names what is wrong with the rest', async () => {
    const sound = valuesOf(ConfigFileSchema);
    const files = fc.oneof(sound, spoiled(sound)).map((value) => JSON.stringify(value) ?? '');
    await holds(fc.oneof(files, torn(files), fc.constantFrom(...oddFiles, ...oddTexts)), 500, (file) => {
      read(file);
    });
    expect(read('name: a.example\nlisten: 127.0.0.1:0\n')).toBe(true);
  });

  test('takes its environment, and names what is wrong with it', async () => {
    const name = fc.constantFrom(
      ...Object.values(environmentSettings),
      'CAPACLOUD_NAMES',
      'CAPACLOUD___PROTO__',
    );
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('', '0', '1e400', 'NaN', '127.0.0.1:99999', '/tmp/x'),
    );
    await holds(fc.dictionary(name, value, { maxKeys: 4 }), 500, (env) => {
      read(undefined, env);
    });
  });
});

describe('the agent', () => {
  const read = (file: string | undefined, env: Readonly<Record<string, string>> = {}): boolean => {
    const result = resolveConfig({ file, env, flags: {} });
    if (result.ok) expect(result.value.coordinator).toMatch(/^wss?:\/\//);
    else {
      expect(result.refusal.code).toBe('config.invalid');
      expect(result.refusal.message).not.toBe('');
    }
    return result.ok;
  };
  const raw = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom(
      'wss://a.example',
      '50%',
      '0%',
      '101%',
      '4',
      '500m',
      '16Gi',
      '/x',
      '0.05',
      'auto',
      'true',
      '1e400',
      '',
      '-1',
      `0x${'a'.repeat(40)}`,
    ),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
  );
  const key = fc.constantFrom(...settings.map((setting) => setting.key), ...oddKeys);

  test('takes or names whatever a file holds', async () => {
    const files = fc.dictionary(key, raw, { maxKeys: 6 }).map((flat) => {
      const tree: Record<string, unknown> = {};
      for (const [path, value] of Object.entries(flat)) {
        const [group = '', name] = path.split('.');
        if (name === undefined)
          Object.defineProperty(tree, group, { value, enumerable: true, configurable: true, writable: true });
        else tree[group] = { ...(tree[group] as object | undefined), [name]: value };
      }
      return JSON.stringify(tree);
    });
    await holds(fc.oneof(files, torn(files), fc.constantFrom(...oddFiles, ...oddTexts)), 800, (file) => {
      read(file);
    });
    expect(read('coordinator: wss://a.example\n')).toBe(true);
  });

  test('takes or names whatever its environment holds', async () => {
    const name = fc.constantFrom(
      ...settings.map((setting) => environmentName(setting.key)),
      'CAPACLOUD_AGENT_X',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('wss://a.example', '50%', '4', '16Gi', '/x', '1e400', 'NaN'),
    );
    await holds(fc.dictionary(name, text, { maxKeys: 5 }), 500, (env) => {
      read(undefined, env);
    });
  });
});
