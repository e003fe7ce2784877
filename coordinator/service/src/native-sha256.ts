import { hash } from 'node:crypto';
import type { Sha256Hex } from '@capacloud/protocol/ids';

/**
 * Native SHA-256; the portable one takes four times as long. Asked for a buffer, Node makes an ArrayBuffer for each digest;
 * one character a byte, copied into the pool, takes a third less (a leaf with its tree node: 3.2 → 2.1 µs).
 */
export function nativeSha256(bytes: Uint8Array): Uint8Array {
  return Buffer.from(hash('sha256', bytes, 'latin1'), 'latin1');
}

/** In lower-case hex; text is hashed as UTF-8. */
export function nativeSha256Hex(data: string | Uint8Array): Sha256Hex {
  return hash('sha256', data, 'hex') as Sha256Hex;
}
