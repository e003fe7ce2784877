import { describe, expect, it } from 'vitest';
import { type ConfigSources, readConfig } from './config.ts';

function read(sources: Partial<ConfigSources>) {
  return readConfig({ file: undefined, env: {}, flags: {}, cwd: '/srv', ...sources });
}

function problemsOf(sources: Partial<ConfigSources>): readonly string[] {
  const result = read(sources);
  if (result.ok) throw new Error('accepted');
  expect(result.refusal.code).toBe('config.invalid');
  return result.refusal.problems?.map(({ pointer, message }) => `${pointer} ${message}`) ?? [];
}

describe('readConfig', () => {
  it('has defaults for everything', () => {
    expect(read({})).toMatchObject({
      ok: true,
      value: {
        name: 'capacloud.local',
        chainId: 31337,
        dataDir: '/srv/capacloud-data',
        host: '127.0.0.1',
        port: 8080,
        usdPerCapa: '0.10',
        maxArtifactBytes: 64 * 2 ** 30,
        ruleset: { feeBasisPoints: 300 },
      },
    });
  });

  it('takes a flag over a variable over the file', () => {
    const file = 'name: file.test\nlisten: 0.0.0.0:1\nchain_id: 5\nartifacts: { total: 2Ti }';
    const env = { CAPACLOUD_NAME: 'env.test', CAPACLOUD_LISTEN: '0.0.0.0:2', CAPACLOUD_CHAIN_ID: '7' };
    const result = read({ file, env, flags: { name: 'flag.test', listen: undefined } });
    expect(result).toMatchObject({
      ok: true,
      value: {
        name: 'flag.test',
        port: 2,
        chainId: 7,
        totalArtifactBytes: 2 * 2 ** 40,
        maxArtifactBytes: 64 * 2 ** 30,
      },
    });
  });

  it('reads the rules, rates and an IPv6 address', () => {
    const file = [
      'listen: "[::1]:0"',
      'rules: { fee_basis_points: 0, lease_ms: 90000 }',
      'rates: { anonymous: { per_second: 1, burst: 2 } }',
    ].join('\n');
    expect(read({ file })).toMatchObject({
      ok: true,
      value: {
        host: '::1',
        port: 0,
        ruleset: { feeBasisPoints: 0, leaseMs: 90_000, unknownAfterMs: 15_000 },
        rates: { anonymous: { perSecond: 1, burst: 2 }, account: { perSecond: 200 } },
      },
    });
  });

  it.each([
    ['lissen: 1', '/lissen is not a setting; did you mean listen?'],
    ['colour: blue', '/colour is not a setting'],
    [
      'rules: { fee_basis_point: 3 }',
      '/rules/fee_basis_point is not a setting; did you mean fee_basis_points?',
    ],
    [
      'rules: { fee_basis_points: 10001 }',
      '/rules/fee_basis_points must be a whole number from 0 to 10000; it is in hundredths of a percent: write 500 for 5 %',
    ],
    [
      'trusted_proxies: [loopback, proxy.test]',
      '/trusted_proxies/1 must be an address, a range such as 10.0.0.0/8, or one of loopback, linklocal, uniquelocal',
    ],
    [
      'trusted_proxies: ["0.0.0.0/0"]',
      '/trusted_proxies/0 would trust every address, so that any client could name another',
    ],
    ['listen: 8080', '/listen must be text; put quotes around it'],
    ['listen: "8080"', '/listen must be HOST:PORT, for example 127.0.0.1:8080'],
    ['listen: localhost:99999', '/listen must be HOST:PORT, for example 127.0.0.1:8080'],
    ['usd_per_capa: "0"', '/usd_per_capa must be more than 0'],
    ['usd_per_capa: "a dime"', '/usd_per_capa must be a decimal amount'],
    ['name: my network', '/name must have no spaces and no plus'],
    ['artifacts: { max_size: huge }', '/artifacts/max_size must be a size such as 64Gi'],
    ...['max_size', 'account_quota', 'total'].flatMap((key): [string, string][] => [
      [
        `artifacts: { ${key}: 64 }`,
        `/artifacts/${key} must be text; has no unit: 64 is 64 bytes; write 64Gi`,
      ],
      [
        `artifacts: { ${key}: "64" }`,
        `/artifacts/${key} must be a size such as 64Gi; has no unit: 64 is 64 bytes; write 64Gi`,
      ],
      [`artifacts: { ${key}: 64 GB }`, `/artifacts/${key} must be a size such as 64Gi; write 64Gi`],
    ]),
    ['usd_per_capa: 0.5', '/usd_per_capa must be text; it is text: write "0.5" in quotes'],
    ['default_max_rate: 5', '/default_max_rate must be text; it is text: write "5" in quotes'],
    [
      'log_days: 30d',
      '/log_days must be a whole number from 1 to 3650; it is a number of days: write 30 for 30d',
    ],
    [
      'rules: { lease_ms: 90s }',
      '/rules/lease_ms must be a whole number from 1 to 2592000000; it is a number of milliseconds: write 90000 for 90s',
    ],
    [
      'rules: { fee_basis_points: 5% }',
      '/rules/fee_basis_points must be a whole number from 0 to 10000; it is in hundredths of a percent: write 500 for 5 %',
    ],
    ['- a\n- b', ' The file must hold settings, a key and a value each.'],
  ])('refuses %s', (file, problem) => {
    expect(problemsOf({ file })).toContain(problem);
  });

  it('says everything that is wrong at once', () => {
    expect(problemsOf({ file: 'listen: x\nusd_per_capa: y' })).toHaveLength(2);
  });

  it('refuses text that is not YAML, and aliases', () => {
    expect(problemsOf({ file: 'a: [' })[0]).toContain('not YAML');
    expect(problemsOf({ file: 'a: &a [1]\nb: *a' })[0]).toContain('not YAML');
  });

  it('refuses a mistyped variable, and leaves those of other programs alone', () => {
    expect(problemsOf({ env: { CAPACLOUD_LISTN: 'x' } })).toEqual([
      'CAPACLOUD_LISTN is not read; did you mean CAPACLOUD_LISTEN?',
    ]);
    expect(problemsOf({ env: { CAPACLOUD_CHAIN_ID: 'main' } })).toEqual([
      '/chain_id must be a whole number from 1 to 9007199254740991',
    ]);
    expect(
      read({ env: { CAPACLOUD_URL: 'x', CAPACLOUD_API_KEY: 'y', CAPACLOUD_AGENT_LISTEN: 'z' } }).ok,
    ).toBe(true);
  });
});
