import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { join } from 'node:path';
import type { NoteSigner, VerifySignature } from '@capacloud/protocol/log/signed-note';
import { readOrCreateSecret } from '../secret-files.ts';

/** DER of an Ed25519 public key before its 32 bytes (RFC 8410 section 4). */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

function rawPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(
    createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(spkiPrefix.length),
  );
}

export const verifyEd25519: VerifySignature = (publicKey, message, signature) => {
  try {
    const key = createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' });
    return verify(null, message, key, signature);
  } catch {
    return false;
  }
};

export const logKeyName = 'log.key';

/** The key that signs checkpoints, under the name of the log; made on first use, readable by the owner only. */
export function openLogKey(dataDir: string, name: string): NoteSigner {
  const key = createPrivateKey(readOrCreateSecret(join(dataDir, logKeyName), newKey));
  if (key.asymmetricKeyType !== 'ed25519') throw new Error('log.key is not an Ed25519 key');
  return {
    name,
    publicKey: rawPublicKey(key),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}

function newKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}
