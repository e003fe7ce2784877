import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { decodeHex } from '@capacloud/protocol/log/bytes';

/** DER of SubjectPublicKeyInfo for Ed25519 up to the 32 bytes of the key (RFC 8410 section 4). */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/** Of 0x and 64 hex digits; undefined when that is no key. */
export function importSessionKey(text: string): KeyObject | undefined {
  const raw = decodeHex(text.slice(2));
  if (raw === undefined) return undefined;
  try {
    return createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

/** In the thread pool: 0.1 ms that the event loop does not wait for. A signature that is not one is simply not valid. */
export function isSignedBy(key: KeyObject, message: Uint8Array, signatureBase64: string): Promise<boolean> {
  return new Promise((resolve) => {
    verify(null, message, key, Buffer.from(signatureBase64, 'base64'), (error, isValid) =>
      resolve(error === null && isValid),
    );
  });
}
