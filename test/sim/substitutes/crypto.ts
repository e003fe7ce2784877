import { Buffer } from 'node:buffer';
import { createHash, hash } from 'node:crypto';
import { kernel } from '../kernel/kernel.ts';

/**
 * In the place of node:crypto: randomness from the seed, and Ed25519 as a keyed hash of the same shapes, which costs a
 * microsecond. Only the holder of a private key object can sign with it, so that a lie stays as hard as it is.
 */
export { createHash, hash };

const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

export class SimulatedKey {
  readonly asymmetricKeyType = 'ed25519';
  /** 64 hex digits. */
  readonly raw: string;
  readonly type: 'private' | 'public';

  constructor(raw: string, type: 'private' | 'public') {
    this.raw = raw;
    this.type = type;
  }

  export(options: { readonly format: 'jwk' | 'der' | 'pem' }): unknown {
    const bytes = Buffer.from(this.raw, 'hex');
    if (options.format === 'jwk') return { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') };
    if (options.format === 'der') return Buffer.concat([spkiPrefix, bytes]);
    return `simulated ${this.raw}\n`;
  }
}

export function generateKeyPairSync(): { privateKey: SimulatedKey; publicKey: SimulatedKey } {
  const raw = kernel().current.random.bytes(32).toString('hex');
  return { privateKey: new SimulatedKey(raw, 'private'), publicKey: new SimulatedKey(raw, 'public') };
}

export function createPrivateKey(pem: string): SimulatedKey {
  return new SimulatedKey(pem.trim().split(' ')[1] ?? '', 'private');
}

export function createPublicKey(from: SimulatedKey | { readonly key: Buffer }): SimulatedKey {
  const raw = from instanceof SimulatedKey ? from.raw : from.key.subarray(spkiPrefix.length).toString('hex');
  return new SimulatedKey(raw, 'public');
}

function mac(raw: string, message: Uint8Array): Buffer {
  return Buffer.from(hash('sha512', Buffer.concat([Buffer.from(`ed25519 ${raw} `), message]), 'hex'), 'hex');
}

export function sign(_: null, message: Uint8Array, key: SimulatedKey): Buffer {
  if (key.type !== 'private') throw new Error('a public key cannot sign');
  return mac(key.raw, message);
}

export function isSigned(message: Uint8Array, key: SimulatedKey, signature: Uint8Array): boolean {
  return mac(key.raw, message).equals(signature);
}

/** As long as the thread pool takes. */
const verifyMs = 0.12;

export function verify(
  _: null,
  message: Uint8Array,
  key: SimulatedKey,
  signature: Uint8Array,
  done?: (error: Error | null, isValid: boolean) => void,
): boolean {
  const isValid = isSigned(message, key, signature);
  if (done !== undefined)
    kernel().schedule(verifyMs, kernel().current, `verify ${isValid}`, () => done(null, isValid));
  return isValid;
}

export function randomBytes(length: number): Buffer {
  return kernel().current.random.bytes(length);
}

export function randomUUID(): string {
  const hex = randomBytes(16).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}
