/** Whose word about trace context we take: unix sockets, loopback and configured networks. */
import { BlockList, isIP } from 'node:net';

export type TrustsPeer = (address: string | undefined) => boolean;

const KNOWN_MAX = 1000;

export const trustsPeer = (cidrs: readonly string[]): TrustsPeer => {
  const trusted = new BlockList();
  for (const cidr of ['127.0.0.0/8', '::1/128', ...cidrs]) {
    const [network = '', prefix] = cidr.split('/');
    trusted.addSubnet(network, Number(prefix), network.includes(':') ? 'ipv6' : 'ipv4');
  }
  const trusts = (address: string): boolean => {
    // `::ffff:10.0.0.1` is IPv4; `fe80::1%eth0` names the interface too.
    const plain = address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
    const family = isIP(plain);
    return family !== 0 && trusted.check(plain, family === 6 ? 'ipv6' : 'ipv4');
  };
  /** A look costs 3 µs, and callers call again. */
  const known = new Map<string, boolean>();
  return (address) => {
    // Only a unix socket has no address.
    if (address === undefined || address === '') return true;
    let isTrusted = known.get(address);
    if (isTrusted === undefined) {
      isTrusted = trusts(address);
      if (known.size >= KNOWN_MAX) known.clear();
      known.set(address, isTrusted);
    }
    return isTrusted;
  };
};
