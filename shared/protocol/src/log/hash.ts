import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import type { Sha256Hex } from '../ids.ts';
import { encodeHex, encodeUtf8 } from './bytes.ts';

/** Bytes → digest. Code that hashes a lot takes one, so that a service can bring its faster native function. */
export type Hash = (bytes: Uint8Array) => Uint8Array;

/** SHA-256 (FIPS 180-4), 32 bytes. */
export const sha256: Hash = (bytes) => nobleSha256(bytes);

/** SHA-256 in lower-case hex; text is hashed as UTF-8. */
export function sha256Hex(data: string | Uint8Array): Sha256Hex {
  return encodeHex(nobleSha256(typeof data === 'string' ? encodeUtf8(data) : data)) as Sha256Hex;
}
