import { hash } from 'node:crypto';

/**
 * Native SHA-256; the portable one takes four times as long. Asked for a buffer, Node makes an ArrayBuffer for each digest;
 * one character a byte, copied into the pool, takes a third less (a leaf with its tree node: 3.2 → 2.1 µs).
 */
export function nativeSha256(bytes: Uint8Array): Uint8Array {
  return Buffer.from(hash('sha256', bytes, 'latin1'), 'latin1');
}
