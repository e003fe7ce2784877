import { concatBytes, decodeBase64, encodeBase64, encodeHex, encodeUtf8, equalBytes } from './bytes.ts';
import { sha256 } from './hash.ts';

// Source: c2sp.org/signed-note. Only its Ed25519 signatures (type 0x01) are made and checked here.
const ed25519Type = 0x01;
const keyIdBytes = 4;
const publicKeyBytes = 32;
const signatureBytes = 64;

export const maxNoteBytes = 1_000_000;
export const maxNoteSignatures = 100;
const maxVerifierKeyLength = 1000;

/** An Ed25519 public key under the name that appears in signature lines. */
export interface NoteKey {
  /** No Unicode space and no plus; a schema-less URL by custom. */
  readonly name: string;
  /** 32 bytes, RFC 8032. */
  readonly publicKey: Uint8Array;
}

export interface NoteSigner extends NoteKey {
  /** Ed25519 over the whole message; 64 bytes. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** Ed25519; false for a signature that does not hold, and for a malformed key. */
export type VerifySignature = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

export interface NoteSignature {
  readonly name: string;
  /** 4 bytes: tells apart the keys of one name. */
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** A note as written. Its text is worth nothing until `openNote` has found a signature of a trusted key. */
export interface ParsedNote {
  /** Ends in a newline, and is what was signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** `bad_signature`: a trusted key's signature is wrong. `unsigned`: no trusted key signed it. */
export type NoteFault = 'malformed' | 'bad_signature' | 'unsigned';

export type OpenedNote =
  | { readonly ok: true; readonly text: string; readonly signedBy: readonly NoteKey[] }
  | { readonly ok: false; readonly fault: NoteFault };

// oxlint-disable-next-line no-control-regex -- the specification forbids exactly these
const controlCharacter = /[\u0000-\u0009\u000b-\u001f]/;
const nameBreaker = /[\p{White_Space}+]/u;

function isNoteText(text: string): boolean {
  return text.isWellFormed() && !controlCharacter.test(text);
}

export function isKeyName(name: string): boolean {
  return name !== '' && isNoteText(name) && !nameBreaker.test(name);
}

/** SHA-256(name ‖ newline ‖ 0x01 ‖ public key), first 4 bytes. */
export function noteKeyId(key: NoteKey): Uint8Array {
  const input = concatBytes(encodeUtf8(`${key.name}\n`), Uint8Array.of(ed25519Type), key.publicKey);
  return sha256(input).slice(0, keyIdBytes);
}

function assertKey(key: NoteKey): void {
  if (!isKeyName(key.name) || key.publicKey.length !== publicKeyBytes)
    throw new RangeError('a note key has a name without spaces or plus, and 32 bytes');
}

/** `name+keyid+base64(0x01 ‖ public key)`: what a person copies to trust a log. */
export function encodeVerifierKey(key: NoteKey): string {
  assertKey(key);
  const typedKey = concatBytes(Uint8Array.of(ed25519Type), key.publicKey);
  return `${key.name}+${encodeHex(noteKeyId(key))}+${encodeBase64(typedKey)}`;
}

/** Undefined when malformed, of another algorithm, or when its key id is not that of its name and key. */
export function parseVerifierKey(text: string): NoteKey | undefined {
  if (text.length > maxVerifierKeyLength) return undefined;
  // The base64 part may hold a plus of its own.
  const [name = '', id = '', ...rest] = text.split('+');
  const typedKey = decodeBase64(rest.join('+'));
  if (!isKeyName(name) || typedKey?.length !== 1 + publicKeyBytes || typedKey[0] !== ed25519Type)
    return undefined;
  const key: NoteKey = { name, publicKey: typedKey.slice(1) };
  return encodeHex(noteKeyId(key)) === id ? key : undefined;
}

/**
 * Signs a text and gives the note. The text ends in a newline and holds no other control character; anything
 * else is a programmer's error, and so is a signer that does not give 64 bytes.
 */
export function signNote(text: string, signers: readonly NoteSigner[]): string {
  if (!text.endsWith('\n') || !isNoteText(text))
    throw new RangeError('the text of a note ends in a newline and has no control characters');
  if (signers.length === 0 || signers.length > maxNoteSignatures)
    throw new RangeError(`a note has 1 to ${maxNoteSignatures} signatures`);
  const message = encodeUtf8(text);
  let note = `${text}\n`;
  for (const signer of signers) {
    assertKey(signer);
    const signature = signer.sign(message);
    if (signature.length !== signatureBytes) throw new RangeError('an Ed25519 signature has 64 bytes');
    note += `— ${signer.name} ${encodeBase64(concatBytes(noteKeyId(signer), signature))}\n`;
  }
  if (encodeUtf8(note).length > maxNoteBytes) throw new RangeError('a note has at most a million bytes');
  return note;
}

function parseSignatureLine(line: string): NoteSignature | undefined {
  const [dash, name = '', base64 = '', ...rest] = line.split(' ');
  if (dash !== '—' || rest.length > 0 || !isKeyName(name)) return undefined;
  const bytes = decodeBase64(base64);
  if (bytes === undefined || bytes.length <= keyIdBytes) return undefined;
  return { name, keyId: bytes.slice(0, keyIdBytes), signature: bytes.slice(keyIdBytes) };
}

/** Reads a note without trusting it; undefined when malformed, over a million bytes or over 100 signatures. */
export function parseNote(note: string): ParsedNote | undefined {
  if (note.length > maxNoteBytes || !isNoteText(note) || encodeUtf8(note).length > maxNoteBytes)
    return undefined;
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) return undefined;
  const lines = note.slice(split + 2, -1).split('\n', maxNoteSignatures + 1);
  if (lines.length > maxNoteSignatures) return undefined;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const signature = parseSignatureLine(line);
    if (signature === undefined) return undefined;
    signatures.push(signature);
  }
  return { text: note.slice(0, split + 1), signatures };
}

/**
 * Reads a note and checks it against the trusted keys. Signatures of other keys are ignored; one wrong signature
 * of a trusted key refuses the note; at least one trusted key must have signed.
 */
export function openNote(note: string, trusted: readonly NoteKey[], verify: VerifySignature): OpenedNote {
  const parsed = parseNote(note);
  if (parsed === undefined) return { ok: false, fault: 'malformed' };
  const message = encodeUtf8(parsed.text);
  const known = trusted.map((key) => ({ key, id: noteKeyId(key) }));
  const signedBy = new Set<NoteKey>();
  for (const { name, keyId, signature } of parsed.signatures) {
    const match = known.find(({ key, id }) => key.name === name && equalBytes(id, keyId));
    if (match === undefined) continue;
    if (signature.length !== signatureBytes || !verify(match.key.publicKey, message, signature))
      return { ok: false, fault: 'bad_signature' };
    signedBy.add(match.key);
  }
  if (signedBy.size === 0) return { ok: false, fault: 'unsigned' };
  return { ok: true, text: parsed.text, signedBy: [...signedBy] };
}
