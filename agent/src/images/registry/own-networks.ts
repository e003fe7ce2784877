import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

/** Interfaces with wider networks than these are tunnels to everywhere; of such a one only the own address counts. */
const widest = { ipv4: 8, ipv6: 32 } as const;
/** What a provider gives to one customer: the segments beside that of the interface are the owner's, too. */
const customerBits = 56;

/** The networks that this machine is a part of, each as ADDRESS/BITS. */
export function networksOfMachine(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).flatMap(({ cidr }) => (cidr === null ? [] : [cidr])),
  );
}

/** Whether the address lies in one of the networks. One that is public elsewhere may lie behind the owner's own firewall. */
export function isOwnAddress(address: string, networks: readonly string[]): boolean {
  const kind = isIPv4(address) ? 'ipv4' : 'ipv6';
  const own = new BlockList();
  for (const network of networks) {
    const [base = '', digits = ''] = network.split('/');
    const fits = kind === 'ipv4' ? isIPv4(base) : isIPv6(base) && !base.includes('%');
    if (fits) own.addSubnet(base, bitsOf(kind, Number(digits)), kind);
  }
  return own.check(address, kind);
}

function bitsOf(kind: 'ipv4' | 'ipv6', bits: number): number {
  if (bits < widest[kind]) return kind === 'ipv4' ? 32 : 128;
  return kind === 'ipv4' ? bits : Math.min(bits, customerBits);
}
