import { hash } from 'node:crypto';

/**
 * In the place of ethers: typed signatures as keyed hashes. A real one takes 2 ms, and its own tests show that it is
 * checked. Nothing but a Wallet signs.
 */
const secret = 'only substitutes know this';

function mac(address: string, domain: unknown, value: unknown): string {
  return hash('sha256', JSON.stringify([secret, address, domain, value]));
}

export class Wallet {
  readonly address: string;

  constructor(privateKey: string) {
    this.address = `0x${hash('sha256', privateKey).slice(0, 40)}`;
  }

  signTypedData(domain: unknown, _types: unknown, value: unknown): Promise<string> {
    return Promise.resolve(`0x${mac(this.address, domain, value)}${this.address.slice(2)}${'0'.repeat(26)}`);
  }
}

/** The address that signed. */
export function verifyTypedData(domain: unknown, _types: unknown, value: unknown, signature: string): string {
  const address = `0x${signature.slice(66, 106)}`;
  return signature.slice(2, 66) === mac(address, domain, value) ? address : `0x${'0'.repeat(40)}`;
}
