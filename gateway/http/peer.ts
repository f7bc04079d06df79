/** Whose word about trace context we take: unix sockets, loopback and configured networks. */
import { BlockList } from 'node:net';

export type TrustsPeer = (address: string | undefined) => boolean;

export const trustsPeer = (cidrs: readonly string[]): TrustsPeer => {
  const trusted = new BlockList();
  for (const cidr of ['127.0.0.0/8', '::1/128', ...cidrs]) {
    const [network = '', prefix] = cidr.split('/');
    trusted.addSubnet(network, Number(prefix), network.includes(':') ? 'ipv6' : 'ipv4');
  }
  return (address) => {
    // Only a unix socket has no address.
    if (address === undefined || address === '') return true;
    const plain = address.replace(/^::ffff:/, '');
    return trusted.check(plain, plain.includes(':') ? 'ipv6' : 'ipv4');
  };
};
