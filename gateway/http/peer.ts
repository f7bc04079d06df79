/** Whose word about trace context we take: unix sockets, loopback and configured networks. */
import { BlockList, isIP } from 'node:net';

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
    // `::ffff:10.0.0.1` is IPv4; `fe80::1%eth0` names the interface too.
    const plain = address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
    const family = isIP(plain);
    return family !== 0 && trusted.check(plain, family === 6 ? 'ipv6' : 'ipv4');
  };
};
