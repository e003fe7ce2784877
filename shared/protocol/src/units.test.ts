import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatDuration,
  formatNano,
  formatSize,
  maxNano,
  parseCpu,
  parseDecimalNano,
  parseDuration,
  parseNano,
  parseSize,
} from './units.ts';

const maxSafe = Number.MAX_SAFE_INTEGER;

describe('parseSize', () => {
  it.each([
    ['16Gi', 16 * 2 ** 30],
    ['16GiB', 16 * 2 ** 30],
    ['512Mi', 512 * 2 ** 20],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['40GB', 40e9],
    ['1k', 1000],
    ['1K', 1000],
    ['2T', 2e12],
    ['1Ti', 2 ** 40],
    ['0.001K', 1],
    ['1024', 1024],
    ['1024B', 1024],
    ['0', 0],
    ['9007199254740991', maxSafe],
  ])('reads %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each([
    '',
    'Gi',
    '-1Gi',
    '+1Gi',
    ' 1Gi',
    '1 Gi',
    '1Gi\n',
    '1gi',
    '1g',
    '1.Gi',
    '.5Gi',
    '1e3',
    '0x10',
    '0.3Ki',
    '0.5',
    '9007199254740992',
    '8192Ti',
    `${'9'.repeat(21)}`,
    `1.${'0'.repeat(21)}Gi`,
    '١Gi',
  ])('refuses %j', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  it('reads back what formatDuration writes, rounded up to seconds', () => {
    fc.assert(
      fc.property(fc.nat({ max: 10 ** 10 }), (durationMs) => {
        expect(parseDuration(formatDuration(durationMs))).toBe(Math.ceil(durationMs / 1000) * 1000);
      }),
    );
    expect(formatDuration(5_400_000)).toBe('1h30m');
  });

  it('reads back what formatSize writes', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.constantFrom(1, 1000, 1024, 10 ** 9, 2 ** 30), (count, unit) => {
        const bytes = Math.floor(count / unit) * unit;
        expect(parseSize(formatSize(bytes))).toBe(bytes);
      }),
    );
    expect(
      ['16Gi', '40GB', '1536Mi', '0B', '1023B'].map((text) => formatSize(parseSize(text) ?? -1)),
    ).toEqual(['16Gi', '40GB', '1536Mi', '0B', '1023B']);
  });
});

describe('parseDuration', () => {
  it.each([
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['1d1h1m1s', 90_061_000],
    ['0s', 0],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', '1m1h', '1h1h', '1.5h', '-1s', ' 1s', '1s ', '1S', '500ms', '999999999999999d'])(
    'refuses %j',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );
});

describe('parseCpu', () => {
  it.each([
    [2, 2000],
    [0.5, 500],
    [0.001, 1],
    [0.123, 123],
    [4096, 4_096_000],
    ['500m', 500],
    ['4096000m', 4_096_000],
  ])('reads %s', (value, milli) => {
    expect(parseCpu(value)).toBe(milli);
  });

  it.each([
    0,
    -1,
    0.0001,
    1.0005,
    4096.001,
    4097,
    Number.NaN,
    Infinity,
    '0m',
    '1',
    '0.5',
    '-1m',
    '4096001m',
    '1 m',
    '',
  ])('refuses %j', (value) => {
    expect(parseCpu(value)).toBeUndefined();
  });

  it('reads every thousandth exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4_096_000 }), (milli) => {
        expect(parseCpu(Number((milli / 1000).toFixed(3)))).toBe(milli);
        expect(parseCpu(`${milli}m`)).toBe(milli);
      }),
    );
  });
});

describe('amounts', () => {
  it('reads decimal CAPA', () => {
    expect(parseDecimalNano('0.80')).toBe(800_000_000n);
    expect(parseDecimalNano('1')).toBe(1_000_000_000n);
    expect(parseDecimalNano('0.000000001')).toBe(1n);
    expect(parseDecimalNano('9223372036.854775807')).toBe(maxNano);
  });

  it.each([
    '',
    '.5',
    '1.',
    '-1',
    '+1',
    '1e3',
    '0.0000000001',
    '9223372036.854775808',
    '1,5',
    ' 1',
    '9'.repeat(21),
  ])('refuses %j as decimal CAPA', (text) => {
    expect(parseDecimalNano(text)).toBeUndefined();
  });

  it.each(['', '00', '01', '-1', '+1', '1.0', '1n', ' 1', '9223372036854775808', '1'.repeat(20), '0x1'])(
    'refuses %j as nano-CAPA',
    (text) => {
      expect(parseNano(text)).toBeUndefined();
    },
  );

  it('reads back both written forms', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: maxNano }), (nano) => {
        expect(parseNano(nano.toString())).toBe(nano);
        expect(parseDecimalNano(formatNano(nano))).toBe(nano);
        expect(formatNano(-nano)).toBe(nano === 0n ? '0' : `-${formatNano(nano)}`);
      }),
    );
    expect([800_000_000n, 0n, 1n, 1_000_000_000n, -500_000_000n].map(formatNano)).toEqual([
      '0.8',
      '0',
      '0.000000001',
      '1',
      '-0.5',
    ]);
  });
});

it('a formatter refuses what is not a whole amount', () => {
  for (const value of [-1, 0.5, Number.NaN, 2 ** 53]) {
    expect(() => formatSize(value)).toThrow(RangeError);
  }
});
