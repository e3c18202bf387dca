// The text of WireGuard's cross-platform configuration protocol (https://www.wireguard.com/xplatform/): one line of a
// `set` to a typed operation, and the state of an interface to the lines of a `get`. Pure; the socket is
// node/uapi-server.ts, what applies the operations node/uapi-set.ts.

import {
  formatEndpoint,
  formatPrefix,
  parseDecimal,
  parseEndpoint,
  parsePrefix,
  type ZoneNamer,
  type ZoneResolver,
} from '../core/address.js';
import { fromHex, toHex } from '../core/hex.js';
import type { Endpoint, PeerStats, Prefix, PublicKey } from '../core/types.js';
import type { Peer } from './device.js';
import { KEY_LENGTH } from './keys.js';

/** What `errno=` answers, negated Linux error numbers as wireguard-go gives them. */
export const UapiErrno = {
  ok: 0,
  /** EIO: the request could not be read. */
  io: -5,
  /** EINVAL: unknown key, or a value that is no such value. */
  invalid: -22,
  /** ENOANO: anything else. */
  unknown: -55,
  /** EPROTO: a line without '='. */
  protocol: -71,
  /** EADDRINUSE: the port or mark could not be set on the sockets. */
  addressInUse: -98,
} as const;

export type SetOperation =
  /** Null unsets it. */
  | { readonly type: 'private-key'; readonly key: Uint8Array | null }
  | { readonly type: 'listen-port'; readonly port: number }
  | { readonly type: 'firewall-mark'; readonly mark: number }
  | { readonly type: 'replace-peers' }
  /** The lines that follow speak of this peer. */
  | { readonly type: 'peer'; readonly publicKey: PublicKey }
  | { readonly type: 'update-only' }
  | { readonly type: 'remove' }
  | { readonly type: 'preshared-key'; readonly key: Uint8Array }
  | { readonly type: 'endpoint'; readonly endpoint: Endpoint }
  | { readonly type: 'persistent-keepalive'; readonly seconds: number }
  | { readonly type: 'replace-allowed-ips' }
  | { readonly type: 'add-allowed-ip'; readonly prefix: Prefix }
  | { readonly type: 'remove-allowed-ip'; readonly prefix: Prefix }
  | { readonly type: 'protocol-version' };

/** Why a line was refused. `reason` names the key and never the value, which may be a secret. */
export interface SetFailure {
  readonly type: 'failure';
  readonly errno: number;
  readonly reason: string;
}

const ZERO_KEY = '0'.repeat(64);

function parseKey(value: string): Uint8Array | null {
  return value.length === 2 * KEY_LENGTH ? fromHex(value) : null;
}

function parsePrivateKey(value: string): SetOperation | null {
  if (value === ZERO_KEY) return { type: 'private-key', key: null };
  const key = parseKey(value);
  return key && { type: 'private-key', key };
}

function parseListenPort(value: string): SetOperation | null {
  const port = parseDecimal(value, 0xffff);
  return port === null ? null : { type: 'listen-port', port };
}

function parseFirewallMark(value: string): SetOperation | null {
  const mark = parseDecimal(value, 0xffff_ffff);
  return mark === null ? null : { type: 'firewall-mark', mark };
}

function parsePublicKey(value: string): SetOperation | null {
  if (!/^[0-9a-fA-F]{64}$/.test(value)) return null;
  return { type: 'peer', publicKey: value.toLowerCase() as PublicKey };
}

function parsePresharedKey(value: string): SetOperation | null {
  const key = parseKey(value);
  return key && { type: 'preshared-key', key };
}

function parsePersistentKeepalive(value: string): SetOperation | null {
  const seconds = parseDecimal(value, 0xffff);
  return seconds === null ? null : { type: 'persistent-keepalive', seconds };
}

function parseAllowedIp(value: string): SetOperation | null {
  const removes = value.startsWith('-');
  const prefix = parsePrefix(removes ? value.slice(1) : value);
  return prefix && { type: removes ? 'remove-allowed-ip' : 'add-allowed-ip', prefix };
}

type ValueParser = (value: string, resolveZone: ZoneResolver) => SetOperation | null;

/** A key whose only value is `only`. */
function fixed(only: string, operation: SetOperation): ValueParser {
  return (value) => (value === only ? operation : null);
}

const DEVICE_KEYS: ReadonlyMap<string, ValueParser> = new Map<string, ValueParser>([
  ['private_key', parsePrivateKey],
  ['listen_port', parseListenPort],
  ['fwmark', parseFirewallMark],
  ['replace_peers', fixed('true', { type: 'replace-peers' })],
  ['public_key', parsePublicKey],
]);

const PEER_KEYS: ReadonlyMap<string, ValueParser> = new Map<string, ValueParser>([
  ['public_key', parsePublicKey],
  ['update_only', fixed('true', { type: 'update-only' })],
  ['remove', fixed('true', { type: 'remove' })],
  ['preshared_key', parsePresharedKey],
  [
    'endpoint',
    (value, resolveZone) => {
      const endpoint = parseEndpoint(value, resolveZone);
      return endpoint && { type: 'endpoint', endpoint };
    },
  ],
  ['persistent_keepalive_interval', parsePersistentKeepalive],
  ['replace_allowed_ips', fixed('true', { type: 'replace-allowed-ips' })],
  ['allowed_ip', parseAllowedIp],
  ['protocol_version', fixed('1', { type: 'protocol-version' })],
]);

/**
 * Parses one line of a `set`.
 * @param line without the newline, not empty
 * @param section 'device' up to the first public_key line, 'peer' from there
 */
export function parseSetLine(
  line: string,
  section: 'device' | 'peer',
  resolveZone: ZoneResolver,
): SetOperation | SetFailure {
  const equals = line.indexOf('=');
  if (equals < 0) {
    return { type: 'failure', errno: UapiErrno.protocol, reason: "line without '='" };
  }
  const key = line.slice(0, equals);
  const parse = (section === 'device' ? DEVICE_KEYS : PEER_KEYS).get(key);
  if (parse === undefined) {
    // What does not look like a key may be a secret that lost its own.
    const name = /^[a-z_]{1,32}$/.test(key) ? ` '${key}'` : '';
    const reason = `unknown ${section} key${name}`;
    return { type: 'failure', errno: UapiErrno.invalid, reason };
  }
  const operation = parse(line.slice(equals + 1), resolveZone);
  if (operation === null) {
    return { type: 'failure', errno: UapiErrno.invalid, reason: `invalid value of ${key}` };
  }
  return operation;
}

export interface InterfaceSettings {
  readonly privateKey: Uint8Array | null;
  /** 0 is not shown. */
  readonly listenPort: number;
  /** 0 is not shown. */
  readonly firewallMark: number;
}

/** The interface's lines of a `get`, each with its newline. */
export function formatInterface(settings: InterfaceSettings): string {
  let text = '';
  if (settings.privateKey !== null) text += `private_key=${toHex(settings.privateKey)}\n`;
  if (settings.listenPort !== 0) text += `listen_port=${settings.listenPort}\n`;
  if (settings.firewallMark !== 0) text += `fwmark=${settings.firewallMark}\n`;
  return text;
}

/** A peer's lines of a `get`, each with its newline. */
export function formatPeer(peer: Peer, stats: PeerStats, nameZone: ZoneNamer): string {
  const endpoint = peer.endpoint;
  const handshake = peer.lastHandshake;
  let text = `public_key=${peer.publicKey}\npreshared_key=${toHex(peer.presharedKey)}\nprotocol_version=1\n`;
  if (endpoint !== null) text += `endpoint=${formatEndpoint(endpoint, nameZone)}\n`;
  text += `last_handshake_time_sec=${handshake?.seconds ?? 0}\n`;
  text += `last_handshake_time_nsec=${handshake?.nanoseconds ?? 0}\n`;
  text += `tx_bytes=${stats.txBytes(peer.id)}\nrx_bytes=${stats.rxBytes(peer.id)}\n`;
  text += `persistent_keepalive_interval=${peer.persistentKeepaliveSeconds}\n`;
  for (const prefix of peer.allowedIps()) text += `allowed_ip=${formatPrefix(prefix)}\n`;
  return text;
}
