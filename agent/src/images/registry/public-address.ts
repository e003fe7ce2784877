import { BlockList, isIPv4 } from 'node:net';

/** Networks that are not the public Internet (IANA special-purpose registries, RFC 6890 and what was added since). */
const privateV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  // Multicast, and all that is reserved above it.
  ['224.0.0.0', 3],
] as const;

/** Of IPv6 only what is given out for the public Internet is public; these parts of it are not, or hold an address of IPv4. */
const privateV6 = [
  // Teredo, benchmarks, ORCHID and the other protocol assignments.
  ['2001::', 23],
  ['2001:db8::', 32],
  // 6to4.
  ['2002::', 16],
  ['2620:4f:8000::', 48],
  ['3fff::', 20],
] as const;

const notPublic = new BlockList();
for (const [network, bits] of privateV4) notPublic.addSubnet(network, bits, 'ipv4');
for (const [network, bits] of privateV6) notPublic.addSubnet(network, bits, 'ipv6');
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');

/** Whether the address is one of the public Internet. What is not known to be is none. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !notPublic.check(address, 'ipv4');
  // A zone is that of a link. Mapped and translated addresses of IPv4 (::ffff:0:0/96, 64:ff9b::/96) lie outside of 2000::/3.
  if (address.includes('%')) return false;
  try {
    return globalUnicast.check(address, 'ipv6') && !notPublic.check(address, 'ipv6');
  } catch {
    return false;
  }
}
