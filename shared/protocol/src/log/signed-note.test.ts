import {
  createPublicKey,
  generateKeyPairSync,
  sign as signNative,
  verify as verifyNative,
} from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, encodeBase64 } from './bytes.ts';
import {
  encodeVerifierKey,
  isKeyName,
  maxNoteSignatures,
  type NoteSigner,
  noteKeyId,
  openNote,
  parseNote,
  parseVerifierKey,
  signNote,
  type VerifySignature,
} from './signed-note.ts';

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
const text = 'first line\n\nlast line è\n';
const note = signNote(text, [alice, bob]);

describe('the published example of golang.org/x/mod/sumdb/note', () => {
  const vkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
  const said = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.
`;
  const signed = `${said}
— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;

  it('verifies', () => {
    const key = parseVerifierKey(vkey);
    expect(key?.name).toBe('PeterNeumann');
    if (key === undefined) return;
    expect(encodeVerifierKey(key)).toBe(vkey);
    expect(openNote(signed, [key], verify)).toEqual({ ok: true, text: said, signedBy: [key] });
    expect(openNote(signed.replace('answer', 'Answer'), [key], verify)).toEqual({
      ok: false,
      fault: 'bad_signature',
    });
  });
});

describe('signed notes', () => {
  it('opens for any trusted signer, and ignores the others', () => {
    expect(openNote(note, [alice], verify)).toEqual({ ok: true, text, signedBy: [alice] });
    expect(openNote(note, [bob, alice], verify)).toMatchObject({ ok: true, signedBy: [alice, bob] });
    expect(openNote(note, [newSigner('log.example/carol')], verify)).toEqual({
      ok: false,
      fault: 'unsigned',
    });
    expect(openNote(note, [], verify)).toEqual({ ok: false, fault: 'unsigned' });
  });

  it('a key of the same name but another id is another key', () => {
    expect(openNote(note, [newSigner(alice.name)], verify)).toEqual({ ok: false, fault: 'unsigned' });
  });

  it('ignores an unknown signature of any length and kind', () => {
    const more = `${note}— witness.example ${encodeBase64(new Uint8Array(4 + 2420))}\n`;
    expect(openNote(more, [alice], verify).ok).toBe(true);
  });

  it('one wrong signature of a trusted key refuses the note', () => {
    const forged = encodeBase64(concatBytes(noteKeyId(bob), new Uint8Array(64)));
    const bad = `${signNote(text, [alice])}— ${bob.name} ${forged}\n`;
    expect(openNote(bad, [alice, bob], verify)).toEqual({ ok: false, fault: 'bad_signature' });
    expect(openNote(bad, [alice], verify).ok).toBe(true);
    const short = `${text}\n— ${bob.name} ${encodeBase64(concatBytes(noteKeyId(bob), new Uint8Array(63)))}\n`;
    expect(openNote(short, [bob], verify)).toEqual({ ok: false, fault: 'bad_signature' });
  });

  it('does not open with any one character changed', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: note.length - 1 }),
        fc.constantFrom('A', '\n', ' ', '—', '='),
        (at, other) => {
          const changed = note.slice(0, at) + other + note.slice(at + 1);
          if (changed !== note)
            expect(openNote(changed, [alice, bob], verify)).not.toMatchObject({
              ok: true,
              signedBy: [alice, bob],
            });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('keeps every text that can be signed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom('a', ' ', '—', 'è', '\u{1f600}') })),
        (lines) => {
          const body = `${lines.join('\n')}\n`;
          expect(openNote(signNote(body, [alice]), [alice], verify)).toMatchObject({ ok: true, text: body });
        },
      ),
      { numRuns: 30 },
    );
  });

  const line = note.slice(note.lastIndexOf('\n', note.length - 2) + 1);
  it.each([
    '',
    '\n',
    'text\n',
    'text\n\n',
    text,
    `text\n${line}`,
    note.slice(0, -1),
    `${note}\n`,
    `${note}no signature\n`,
    note.replace('— ', '- '),
    note.replace('— ', '—'),
    note.replace('first', 'fi\trst'),
    note.replace('first', 'fi\r\nrst'),
    note.replace('first', 'fi\ud800rst'),
    `text\n\n— a+b ${encodeBase64(new Uint8Array(68))}\n`,
    `text\n\n— a\u00a0b ${encodeBase64(new Uint8Array(68))}\n`,
    `text\n\n—  ${encodeBase64(new Uint8Array(68))}\n`,
    `text\n\n— name ${encodeBase64(new Uint8Array(4))}\n`,
    `text\n\n— name ${encodeBase64(new Uint8Array(68)).slice(0, -1)}\n`,
    `text\n\n— name ${encodeBase64(new Uint8Array(68))} more\n`,
  ])('refuses the malformed note %#', (bad) => {
    expect(parseNote(bad)).toBeUndefined();
    expect(openNote(bad, [alice], verify)).toEqual({ ok: false, fault: 'malformed' });
  });

  it('bounds signatures and bytes', () => {
    const many = `text\n\n${line.repeat(maxNoteSignatures)}`;
    expect(parseNote(many)?.signatures).toHaveLength(maxNoteSignatures);
    expect(parseNote(many + line)).toBeUndefined();
    const room = 1_000_000 - `\n\n${line}`.length - 2;
    const full = `${'x'.repeat(room)}\n\n${line}`;
    expect(parseNote(full)).toBeDefined();
    expect(parseNote(`x${full}`)).toBeUndefined();
    expect(parseNote(`${'è'.repeat(600_000)}\n\n${line}`)).toBeUndefined();
    expect(() => signNote(`${'x'.repeat(1_000_000)}\n`, [alice])).toThrow(RangeError);
  });

  it('signing what is not a note is a programmer’s error', () => {
    expect(() => signNote('no newline', [alice])).toThrow(RangeError);
    expect(() => signNote('tab\t\n', [alice])).toThrow(RangeError);
    expect(() => signNote(text, [])).toThrow(RangeError);
    expect(() => signNote(text, [{ ...alice, name: 'a b' }])).toThrow(RangeError);
    expect(() => signNote(text, [{ ...alice, sign: () => new Uint8Array(63) }])).toThrow(RangeError);
  });
});

describe('verifier keys', () => {
  it('read back', () => {
    expect(parseVerifierKey(encodeVerifierKey(alice))).toEqual({
      name: alice.name,
      publicKey: alice.publicKey,
    });
    expect(
      parseVerifierKey('sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8')?.name,
    ).toBe('sum.golang.org');
  });

  it.each([
    '',
    'PeterNeumann',
    'PeterNeumann+c74f20a3',
    'PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    'PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    'Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    '+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    'PeterNeumann+c74f20a3+AhpcPQcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy',
    `${'n'.repeat(2000)}+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW`,
  ])('refuses %j', (bad) => {
    expect(parseVerifierKey(bad)).toBeUndefined();
  });

  it.each(['', 'a b', 'a+b', 'a\u2003b', 'a\u0085b', 'a\nb', 'a\u0007', '\ud800'])(
    '%j names no key',
    (name) => {
      expect(isKeyName(name)).toBe(false);
    },
  );
});
