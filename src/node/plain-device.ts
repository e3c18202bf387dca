// Plain WireGuard devices behind this node: their keys, an address of the mesh, and both ends of the configuration.

import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { formatAddress, formatPrefix } from '../core/address.js';
import type { Crypto } from '../core/crypto.js';
import { WeftError } from '../core/errors.js';
import { toHex } from '../core/hex.js';
import type { IpAddress, Prefix, PublicKey } from '../core/types.js';
import { addressKey, deriveV4 } from '../mesh/addresses.js';
import type { NodeId } from '../mesh/types.js';
import {
  type Config,
  formatHostPort,
  formatPeerBlock,
  type HostPort,
  parseConfig,
} from './config.js';

/** A full prefix would be tried for ever. */
const MAX_ATTEMPTS = 1_000;
/** NATs forget a silent device after a minute or so; phones pay for each packet. */
const KEEPALIVE_SECONDS = 25;

export interface PlainDevice {
  readonly name: string;
  /** base64. Secret: shown once, kept nowhere. */
  readonly privateKey: string;
  readonly publicKey: PublicKey;
  /** 32 bytes. Secret. */
  readonly presharedKey: Uint8Array;
  readonly address: IpAddress;
}

/** @param taken addresses that members and other devices have */
export function createPlainDevice(
  crypto: Pick<Crypto, 'hash'>,
  name: string,
  v4Prefix: Prefix,
  taken: Iterable<IpAddress>,
): PlainDevice {
  const pair = generateKeyPairSync('x25519');
  const { d = '' } = pair.privateKey.export({ format: 'jwk' });
  const { x = '' } = createPublicKey(pair.privateKey).export({ format: 'jwk' });
  const publicKey = toHex(Buffer.from(x, 'base64url')) as PublicKey;
  return {
    name,
    privateKey: Buffer.from(d, 'base64url').toString('base64'),
    publicKey,
    presharedKey: new Uint8Array(randomBytes(32)),
    address: freeAddress(crypto, publicKey, v4Prefix, taken),
  };
}

function freeAddress(
  crypto: Pick<Crypto, 'hash'>,
  publicKey: PublicKey,
  v4Prefix: Prefix,
  taken: Iterable<IpAddress>,
): IpAddress {
  const used = new Set(Array.from(taken, addressKey));
  for (let counter = 0; counter < MAX_ATTEMPTS; counter++) {
    // any 32 bytes do for the hash
    const address = deriveV4(crypto, v4Prefix, publicKey as string as NodeId, counter);
    if (!used.has(addressKey(address))) return address;
  }
  throw new WeftError('EADDRESSES', `${formatPrefix(v4Prefix)} is full: no address for the device`);
}

/** What goes onto the device. */
export function deviceConfig(
  device: PlainDevice,
  node: {
    readonly publicKey: string;
    readonly endpoint: HostPort;
    readonly networks: readonly Prefix[];
  },
): string {
  return `[Interface]
PrivateKey = ${device.privateKey}
Address = ${formatAddress(device.address)}/32

[Peer]
PublicKey = ${node.publicKey}
PresharedKey = ${Buffer.from(device.presharedKey).toString('base64')}
AllowedIPs = ${node.networks.map(formatPrefix).join(', ')}
Endpoint = ${formatHostPort(node.endpoint)}
PersistentKeepalive = ${KEEPALIVE_SECONDS}
`;
}

/**
 * The configuration file with the device as a peer at its end.
 * @throws WeftError ECONFIG if the result would be no valid file; EEXISTS if there is a peer of this name
 */
export function withDevice(text: string, fileName: string, device: PlainDevice): string {
  const before: Config = parseConfig(text, fileName);
  const same = before.peers.find(({ name }) => name === device.name);
  if (same !== undefined) {
    throw new WeftError(
      'EEXISTS',
      `${fileName}:${same.line}: there is a peer ${device.name}: its private key was not kept. Remove the block to make it anew`,
    );
  }
  const block = formatPeerBlock({
    name: device.name,
    publicKey: device.publicKey,
    presharedKey: device.presharedKey,
    endpoint: null,
    allowedIps: [{ address: device.address, length: 32 }],
    persistentKeepalive: 0,
    line: 0,
  });
  const after = `${text.trimEnd()}\n\n${block}`;
  parseConfig(after, fileName);
  return after;
}
