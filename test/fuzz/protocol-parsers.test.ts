import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { normaliseModel } from '@capacloud/protocol/capacity/resources';
import { isErrorCode } from '@capacloud/protocol/catalogue/errors';
import {
  isAccountId,
  isJobId,
  isSha256,
  isTaskId,
  jobIdOf,
  taskIdOf,
  taskIndexOf,
} from '@capacloud/protocol/ids';
import { nearest } from '@capacloud/protocol/input/nearest';
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from '@capacloud/protocol/log/bytes';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import {
  formatCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  signCheckpoint,
} from '@capacloud/protocol/log/checkpoint';
import { verifyConsistency, verifyInclusion } from '@capacloud/protocol/log/merkle';
import {
  encodeVerifierKey,
  openNote,
  parseNote,
  parseVerifierKey,
} from '@capacloud/protocol/log/signed-note';
import {
  formatNano,
  formatSize,
  parseCpu,
  parseDecimalNano,
  parseDuration,
  parseNano,
  parseSize,
} from '@capacloud/protocol/units';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holds } from './fuzz-run.ts';
import { oddKeys, oddTexts, oddValue, torn } from './odd-values.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(...oddTexts, ...oddKeys),
  fc.string({ unit: fc.constantFrom(...Array.from('0123456789.kKMGTiBdhmsun-+e_ ')), maxLength: 30 }),
);
const whole = fc.maxSafeInteger().map(Math.abs);

test('sizes: whole bytes or nothing, and what is written is read back', async () => {
  await holds(whole, 500, (bytes) => {
    expect(parseSize(formatSize(bytes))).toBe(bytes);
  });
  await holds(fc.oneof(anyText, torn(fc.constantFrom('1.5Gi', '40GB', '1024', '512Mi'))), 2000, (text) => {
    const bytes = parseSize(text);
    if (bytes === undefined) return;
    expect(Number.isSafeInteger(bytes) && bytes >= 0).toBe(true);
    expect(parseSize(formatSize(bytes))).toBe(bytes);
  });
});

test('durations, processors and money: in range or nothing', async () => {
  await holds(
    fc.oneof(anyText, torn(fc.constantFrom('1h30m', '7d', '90s', '500m', '0.80'))),
    3000,
    (text) => {
      const durationMs = parseDuration(text) ?? 0;
      expect(Number.isSafeInteger(durationMs) && durationMs >= 0).toBe(true);
      const milli = parseCpu(text) ?? 1;
      expect(Number.isSafeInteger(milli) && milli >= 1 && milli <= 4_096_000).toBe(true);
      const nano = parseDecimalNano(text);
      if (nano !== undefined) expect(parseDecimalNano(formatNano(nano))).toBe(nano);
      const wire = parseNano(text);
      if (wire !== undefined) expect(wire.toString()).toBe(text);
    },
  );
  await holds(fc.double(), 1000, (cores) => {
    const milli = parseCpu(cores);
    if (milli !== undefined) expect(milli / 1000).toBe(cores);
  });
  await holds(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), 500, (nano) => {
    expect(parseDecimalNano(formatNano(nano))).toBe(nano);
    expect(parseNano(`${nano}`)).toBe(nano);
  });
});

test('ids: what is taken is made of the parts that it names', async () => {
  const task = fc.constantFrom(`job_${'a2'.repeat(10)}.0`, `job_${'z7'.repeat(10)}.99999`);
  await holds(fc.oneof(anyText, task, torn(task)), 3000, (text) => {
    if (isTaskId(text)) {
      expect(isJobId(jobIdOf(text))).toBe(true);
      expect(taskIdOf(jobIdOf(text), taskIndexOf(text))).toBe(text);
    }
    for (const check of [isAccountId, isSha256, isErrorCode]) expect(typeof check(text)).toBe('boolean');
    expect(normaliseModel(text)).toMatch(/^[a-z0-9]*(-[a-z0-9]+)*$/);
    expect(typeof nearest(text.slice(0, 200), ['resources', 'command'])).toMatch(/string|undefined/);
  });
});

test('canonical JSON: one text a value, or a named refusal', async () => {
  await holds(
    fc.oneof(
      oddValue,
      fc.anything({ withBigInt: true, withMap: true, withDate: true, withNullPrototype: true }),
    ),
    3000,
    (value) => {
      let text: string;
      try {
        text = canonicalJson(value);
      } catch (error) {
        expect(error instanceof RangeError || error instanceof TypeError).toBe(true);
        expect((error as Error).message).toMatch(/^canonical JSON: /);
        return;
      }
      expect(text.isWellFormed()).toBe(true);
      expect(canonicalJson(JSON.parse(text))).toBe(text);
    },
  );
});

test('base 64 and hex: one spelling each', async () => {
  await holds(fc.uint8Array({ maxLength: 70 }), 500, (bytes) => {
    expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes);
    expect(decodeHex(encodeHex(bytes))).toEqual(bytes);
  });
  const sound = fc.uint8Array({ maxLength: 40 });
  await holds(fc.oneof(anyText, torn(sound.map(encodeBase64)), torn(sound.map(encodeHex))), 3000, (text) => {
    const bytes = decodeBase64(text);
    if (bytes !== undefined) expect(encodeBase64(bytes)).toBe(text);
    const fromHex = decodeHex(text);
    if (fromHex !== undefined) expect(encodeHex(fromHex)).toBe(text);
  });
});

const { privateKey } = generateKeyPairSync('ed25519');
const spki = createPublicKey(createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' }))).export({
  format: 'der',
  type: 'spki',
});
const log = { name: 'log.example/1', publicKey: new Uint8Array(spki.subarray(-32)) };
const signer = { ...log, sign: (message: Uint8Array) => new Uint8Array(sign(null, message, privateKey)) };
function verifies(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const der = Buffer.concat([spki.subarray(0, -32), publicKey]);
  return verify(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature);
}

test('checkpoints: no change to a signed one is taken for another', async () => {
  const checkpoint = fc.record({
    origin: fc.constant(log.name),
    size: whole,
    root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  });
  await holds(checkpoint, 100, (value) => {
    expect(parseCheckpoint(formatCheckpoint(value))).toEqual(value);
    const opened = openCheckpoint(signCheckpoint(value, [signer]), log.name, [log], verifies);
    expect(opened.ok && opened.checkpoint).toEqual(value);
  });
  const fixed = { origin: log.name, size: 123_456, root: new Uint8Array(32).fill(7) };
  const note = signCheckpoint(fixed, [signer]);
  await holds(torn(fc.constant(note)), 2000, (text) => {
    const opened = openNote(text, [log], verifies);
    if (opened.ok) expect(opened.text).toBe(formatCheckpoint(fixed));
    const trusted = openCheckpoint(text, log.name, [log], verifies);
    if (trusted.ok) expect(trusted.checkpoint).toEqual(fixed);
  });
});

test('notes and verifier keys: anything is read or refused, and a key has one spelling', async () => {
  const key = encodeVerifierKey(log);
  await holds(fc.oneof(anyText, torn(fc.constant(key))), 2000, (text) => {
    const parsed = parseVerifierKey(text);
    if (parsed !== undefined) expect(encodeVerifierKey(parsed)).toBe(text);
    expect(parseNote(text) === undefined || text.endsWith('\n')).toBe(true);
    const checkpoint = parseCheckpoint(text);
    if (checkpoint !== undefined) expect(Number.isSafeInteger(checkpoint.size)).toBe(true);
  });
  const largeNote = `${'x'.repeat(999_990)}\n\n— a b\n`;
  for (const note of [largeNote, `x\n\n${'— a AAAAAAAA\n'.repeat(101)}`, '\n\n'.repeat(400_000)])
    expect(parseNote(note)).toBeUndefined();
});

test('proofs: what was made up proves nothing', async () => {
  const hashes = fc.array(fc.uint8Array({ minLength: 30, maxLength: 33 }), { maxLength: 70 });
  const root = fc.uint8Array({ minLength: 31, maxLength: 32 });
  const size = fc.oneof(fc.nat({ max: 20 }), fc.maxSafeInteger(), fc.double());
  await holds(fc.tuple(size, size, hashes, root, root), 1500, ([first, second, proof, old, fresh]) => {
    const isOnly = first === 0 && second === 1 && proof.length === 0 && encodeHex(old) === encodeHex(fresh);
    if (!isOnly)
      expect(verifyInclusion({ index: first, size: second, leafHash: old, proof, root: fresh })).toBe(false);
    const isSame = first === second && proof.length === 0 && encodeHex(old) === encodeHex(fresh);
    if (!isSame)
      expect(
        verifyConsistency({ oldSize: first, newSize: second, oldRoot: old, newRoot: fresh, proof }),
      ).toBe(false);
  });
});
