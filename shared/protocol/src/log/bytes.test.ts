import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  concatBytes,
  decodeBase64,
  decodeHex,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  equalBytes,
} from './bytes.ts';

const bytes = fc.uint8Array({ maxLength: 100 });

describe('encodings agree with Node and read back', () => {
  it('hex', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(encodeHex(value)).toBe(Buffer.from(value).toString('hex'));
        expect(decodeHex(encodeHex(value))).toEqual(value);
      }),
    );
  });

  it('base64', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(encodeBase64(value)).toBe(Buffer.from(value).toString('base64'));
        expect(decodeBase64(encodeBase64(value))).toEqual(value);
      }),
    );
  });

  it('UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(Buffer.from(encodeUtf8(text)).toString('utf8')).toBe(text);
      }),
    );
  });
});

describe('strictness', () => {
  it.each(['0', 'AB', '0g', 'g0', ' 0', '0x'])('hex refuses %j', (text) => {
    expect(decodeHex(text)).toBeUndefined();
  });

  it.each(['A', 'AA', 'AAA', 'AA=', 'A===', '====', 'AB==', 'AAB=', 'AA==\n', 'AA-_', 'A=AA', 'AAA\u0141'])(
    'base64 refuses %j',
    (text) => {
      expect(decodeBase64(text)).toBeUndefined();
    },
  );

  it('a decoded base64 text is the only spelling of its bytes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('A', 'B', 'Q', '/', '+', '='), maxLength: 12 }),
        (text) => {
          const value = decodeBase64(text);
          if (value !== undefined) expect(encodeBase64(value)).toBe(text);
        },
      ),
    );
  });

  it('UTF-8 refuses lone surrogates', () => {
    expect(() => encodeUtf8('a\ud800')).toThrow(RangeError);
  });
});

it('joins and compares', () => {
  const joined = concatBytes(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3));
  expect(joined).toEqual(Uint8Array.of(1, 2, 3));
  expect(equalBytes(joined, Uint8Array.of(1, 2, 3))).toBe(true);
  expect(equalBytes(joined, Uint8Array.of(1, 2, 4))).toBe(false);
  expect(equalBytes(joined, Uint8Array.of(1, 2))).toBe(false);
});
