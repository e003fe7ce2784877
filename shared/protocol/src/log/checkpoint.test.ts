import {
  createPublicKey,
  generateKeyPairSync,
  sign as signNative,
  verify as verifyNative,
} from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeBase64 } from './bytes.ts';
import { formatCheckpoint, openCheckpoint, parseCheckpoint, signCheckpoint } from './checkpoint.ts';
import { sha256 } from './hash.ts';
import { type NoteSigner, signNote, type VerifySignature } from './signed-note.ts';

const verify: VerifySignature = (publicKey, message, signature) => {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') };
  return verifyNative(null, message, createPublicKey({ key: jwk, format: 'jwk' }), signature);
};

function newSigner(name: string): NoteSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'));
  return { name, publicKey: raw, sign: (message) => new Uint8Array(signNative(null, message, privateKey)) };
}

const alice = newSigner('log.example/alice');
const bob = newSigner('log.example/bob');

describe('checkpoints', () => {
  const root = sha256(new Uint8Array(0));
  const checkpoint = { origin: 'log.example/alice', size: 20_852_163, root };
  const body = `log.example/alice\n20852163\n${encodeBase64(root)}\n`;

  it('are the lines of the specification', () => {
    expect(formatCheckpoint(checkpoint)).toBe(body);
    expect(parseCheckpoint(body)).toEqual(checkpoint);
    const published = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
    const parsed = parseCheckpoint(published);
    expect(parsed?.size).toBe(20_852_163);
    expect(parsed && formatCheckpoint(parsed)).toBe(published);
  });

  it('open for the right log and key only', () => {
    const signed = signCheckpoint(checkpoint, [alice]);
    expect(openCheckpoint(signed, checkpoint.origin, [alice], verify)).toEqual({
      ok: true,
      checkpoint,
      signedBy: [alice],
    });
    expect(openCheckpoint(signed, 'log.example/bob', [alice], verify)).toEqual({
      ok: false,
      fault: 'wrong_log',
    });
    expect(openCheckpoint(signed, checkpoint.origin, [bob], verify)).toEqual({
      ok: false,
      fault: 'unsigned',
    });
    expect(openCheckpoint(signNote('hello\n', [alice]), 'hello', [alice], verify)).toEqual({
      ok: false,
      fault: 'malformed',
    });
  });

  it('keep extension lines', () => {
    const extended = { ...checkpoint, extensions: ['time 5', 'x'] };
    expect(parseCheckpoint(formatCheckpoint(extended))).toEqual(extended);
    expect(() => formatCheckpoint({ ...checkpoint, extensions: [''] })).toThrow(RangeError);
    expect(() => formatCheckpoint({ ...checkpoint, extensions: ['a\nb'] })).toThrow(RangeError);
  });

  it.each([
    '',
    '\n',
    body.slice(0, -1),
    `${body}\n`,
    body.replace('20852163', '020852163'),
    body.replace('20852163', '-1'),
    body.replace('20852163', '9007199254740992'),
    body.replace('20852163', '1e3'),
    body.replace('20852163', ''),
    body.replace('=', ''),
    body.replace(encodeBase64(root), encodeBase64(root.slice(1))),
    body.replace('log.example/alice', ''),
    `${body}\nextension\n`,
  ])('refuses the malformed text %#', (bad) => {
    expect(parseCheckpoint(bad)).toBeUndefined();
  });

  it.each([
    { ...checkpoint, origin: '' },
    { ...checkpoint, origin: 'a b' },
    { ...checkpoint, size: -1 },
    { ...checkpoint, size: 2 ** 53 },
    { ...checkpoint, root: root.slice(1) },
  ])('writing the impossible checkpoint %# is a programmer’s error', (bad) => {
    expect(() => formatCheckpoint(bad)).toThrow(RangeError);
  });
});
