// The configuration file of a mesh node, weft.conf: wg-quick's style, so that a [Peer] block pastes straight in. Text
// in, a Config out, or one error with file, line and remedy: nothing is applied before all of it is understood.

import type { UplinkSettings } from '../bond/uplink.js';
import {
  formatEndpoint,
  formatPrefix,
  parseAddress,
  parseDecimal,
  parseEndpoint,
  parsePrefix,
} from '../core/address.js';
import type { Endpoint, Prefix, PublicKey } from '../core/types.js';
import { isNodeName } from '../mesh/record.js';
import { encodePublicKey } from '../wg/keys.js';
import {
  BOND_DEFAULTS,
  BOND_KEYS,
  type BondConfig,
  type BondDraft,
  NO_UPLINK,
  UPLINK_KEYS,
  type UplinkDraft,
  uplinkMistake,
} from './bond-config.js';
import { type Keys, list, type Mutable, one, type Parse, parseBoolean } from './config-keys.js';
import { configError, type IniEntry, type IniSection, parseIni } from './ini.js';
import { resolveZone } from './system.js';

export const DEFAULT_DEVICE = 'weft0';
export const DEFAULT_LISTEN_PORT = 51820;
/** Fits an outer MTU of 1500 with IPv6. */
export const DEFAULT_MTU = 1420;
/** The least that IPv6 allows (RFC 8200, section 5). */
const MIN_MTU = 1280;
const MAX_MTU = 65_535;

/** Where something can be reached: an address, or a name to be resolved now and again. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** A plain WireGuard device: phone, router, a server without weft. */
export interface StaticPeer {
  readonly name: string | null;
  readonly publicKey: PublicKey;
  /** 32 bytes; null = none. Secret. */
  readonly presharedKey: Uint8Array | null;
  readonly endpoint: HostPort | null;
  readonly allowedIps: readonly Prefix[];
  /** Seconds; 0 = off. */
  readonly persistentKeepalive: number;
  /** Where its block begins. */
  readonly line: number;
}

export type LogLevelName = 'error' | 'warn' | 'info' | 'debug';

export interface Config {
  readonly device: string;
  readonly listenPort: number;
  readonly mtu: number;
  readonly firewallMark: number;
  readonly logLevel: LogLevelName;
  /** Name of this node in the mesh; null: as its certificate says, else the host's name. */
  readonly name: string | null;
  readonly seeds: readonly HostPort[];
  readonly announce: readonly Endpoint[];
  /** Prefixes that this node offers to carry to. */
  readonly routes: readonly Prefix[];
  /** Whether routes that others offer are used. */
  readonly acceptRoutes: boolean;
  readonly peers: readonly StaticPeer[];
  readonly bond: BondConfig;
}

/** Mutable while the file is read. */
interface Draft extends BondDraft, UplinkDraft {
  config: Mutable<Config>;
  peer: Mutable<StaticPeer> | null;
}

/** "host:port" or "[v6]:port"; null if it is not one. */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[^\]]+)?)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = parseDecimal(match?.[3] ?? '', 0xffff);
  if (host === undefined || port === null || port === 0) return null;
  if (match?.[1] !== undefined && parseAddress(host.replace(/%.*/, '')) === null) return null;
  // 192.0.2.300 is no name
  if (/^[0-9.]+$/.test(host) && parseAddress(host) === null) return null;
  return { host, port };
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The endpoint, if the host is a literal. */
export function literalEndpoint(where: HostPort): Endpoint | null {
  return parseEndpoint(formatHostPort(where), resolveZone);
}

function parseKey(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text)) return null;
  return new Uint8Array(Buffer.from(text, 'base64'));
}

/** A prefix, or an address alone, as wg takes it. */
function parseAllowedIp(text: string): Prefix | null {
  if (text.includes('/')) return parsePrefix(text);
  const address = parseAddress(text);
  return address && { address, length: address.length * 8 };
}

/** Prefixes to advertise: a set host bit is a mistake more often than not. */
function parseRoute(text: string): Prefix | null {
  const prefix = parsePrefix(text);
  return prefix !== null && formatPrefix(prefix) === text.toLowerCase() ? prefix : null;
}

function parseMark(text: string): number | null {
  if (text === 'off') return 0;
  return /^0x[0-9a-fA-F]{1,8}$/.test(text) ? Number(text) : parseDecimal(text, 0xffff_ffff);
}

function parseKeepalive(text: string): number | null {
  return text === 'off' ? 0 : parseDecimal(text, 0xffff);
}

function parseLogLevel(text: string): LogLevelName | null {
  return text === 'error' || text === 'warn' || text === 'info' || text === 'debug' ? text : null;
}

const decimal =
  (min: number, max: number): Parse<number> =>
  (text) => {
    const value = parseDecimal(text, max);
    return value !== null && value >= min ? value : null;
  };

const ENDPOINT = 'HOST:PORT or [IPV6]:PORT';

const INTERFACE_KEYS: Keys<Draft> = {
  Device: one(
    'an interface name of 1 to 15 letters, digits, "-", "_" or "."',
    (text) => (/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,14}$/.test(text) ? text : null),
    ({ config }, value) => (config.device = value),
  ),
  ListenPort: one('a port from 1 to 65535', decimal(1, 0xffff), ({ config }, value) => {
    config.listenPort = value;
  }),
  MTU: one(`${MIN_MTU} to ${MAX_MTU}`, decimal(MIN_MTU, MAX_MTU), ({ config }, value) => {
    config.mtu = value;
  }),
  FwMark: one('a number, 0x... or off', parseMark, ({ config }, value) => {
    config.firewallMark = value;
  }),
  LogLevel: one('error, warn, info or debug', parseLogLevel, ({ config }, value) => {
    config.logLevel = value;
  }),
};

const MESH_KEYS: Keys<Draft> = {
  Name: one(
    'a DNS label: a-z, 0-9 and hyphens, up to 63',
    (text) => (isNodeName(text) ? text : null),
    ({ config }, value) => (config.name = value),
  ),
  Seed: list(ENDPOINT, parseHostPort, ({ config }, values) => {
    config.seeds = [...config.seeds, ...values];
  }),
  Announce: list(
    'ADDRESS:PORT or [IPV6]:PORT, no host name',
    (text) => parseEndpoint(text, resolveZone),
    ({ config }, values) => {
      config.announce = [...config.announce, ...values];
    },
  ),
  Route: list(
    'PREFIX/LENGTH with all host bits zero, such as 192.168.7.0/24',
    parseRoute,
    ({ config }, values) => {
      config.routes = [...config.routes, ...values];
    },
  ),
  AcceptRoutes: one('yes or no', parseBoolean, ({ config }, value) => {
    config.acceptRoutes = value;
  }),
};

const PEER_KEYS: Keys<Draft> = {
  Name: one(
    'a DNS label: a-z, 0-9 and hyphens, up to 63',
    (text) => (isNodeName(text) ? text : null),
    ({ peer }, value) => {
      if (peer) peer.name = value;
    },
  ),
  PublicKey: one('a key of 44 base64 characters, as wg pubkey prints', parseKey, (draft, value) => {
    if (draft.peer) draft.peer.publicKey = encodePublicKey(value);
  }),
  PresharedKey: one(
    'a key of 44 base64 characters, as wg genpsk prints',
    parseKey,
    (draft, key) => {
      if (draft.peer) draft.peer.presharedKey = key;
    },
  ),
  Endpoint: one(ENDPOINT, parseHostPort, ({ peer }, value) => {
    if (peer) peer.endpoint = value;
  }),
  AllowedIPs: list('PREFIX/LENGTH or addresses', parseAllowedIp, ({ peer }, values) => {
    if (peer) peer.allowedIps = [...peer.allowedIps, ...values];
  }),
  PersistentKeepalive: one('0 to 65535 seconds, or off', parseKeepalive, ({ peer }, value) => {
    if (peer) peer.persistentKeepalive = value;
  }),
};

const SECTIONS: Readonly<Record<string, Keys<Draft>>> = {
  Interface: { ...INTERFACE_KEYS, ...BOND_KEYS },
  Mesh: MESH_KEYS,
  Uplink: UPLINK_KEYS,
  Peer: PEER_KEYS,
};

/** Keys of wg-quick that have no place here, and what to do instead. */
const NOT_HERE: Readonly<Record<string, string>> = {
  PrivateKey: 'a node’s key is its identity, made by weft init or weft join: remove the line',
  Address:
    'mesh addresses follow from the identity, or are pinned by a certificate: remove the line',
  DNS: 'weft does not touch the resolver: remove the line',
  Table: 'routes go to the main table; see AcceptRoutes in [Mesh]: remove the line',
  SaveConfig: 'weft writes to this file only when told to: remove the line',
  PreUp: 'weft runs no hooks: use a systemd drop-in with ExecStartPre=',
  PostUp: 'weft runs no hooks: use a systemd drop-in with ExecStartPost=',
  PreDown: 'weft runs no hooks: use a systemd drop-in with ExecStop=',
  PostDown: 'weft runs no hooks: use a systemd drop-in with ExecStopPost=',
};

/**
 * @param fileName only for messages
 * @throws WeftError ECONFIG with the line and the remedy, at the first mistake
 */
export function parseConfig(text: string, fileName: string): Config {
  const draft: Draft = {
    config: { ...DEFAULTS },
    bond: { ...BOND_DEFAULTS },
    peer: null,
    uplink: null,
  };
  const uplinks: UplinkSettings[] = [];
  const peers: StaticPeer[] = [];
  const claims: PeerClaims = { keys: new Map(), prefixes: new Map() };
  const seen = new Set<string>();
  for (const section of parseIni(text, fileName)) {
    const name = properCase(section.name, SECTIONS);
    if (name === null) {
      const known = Object.keys(SECTIONS).map((each) => `[${each}]`);
      const message = `unknown section [${section.name}]: the sections are ${known.join(', ')}`;
      throw configError(fileName, section.line, message);
    }
    if (name === 'Peer') {
      draft.peer = { ...NO_PEER, line: section.line };
      readSection(section, name, draft, fileName);
      checkPeer(draft.peer, claims, fileName);
      peers.push(draft.peer);
      continue;
    }
    if (name === 'Uplink') {
      draft.uplink = { ...NO_UPLINK };
      readSection(section, name, draft, fileName);
      const mistake = uplinkMistake(draft.uplink, uplinks);
      if (mistake !== null) throw configError(fileName, section.line, mistake);
      uplinks.push(draft.uplink);
      continue;
    }
    if (seen.has(name)) {
      throw configError(fileName, section.line, `a second [${name}]: join the two`);
    }
    seen.add(name);
    readSection(section, name, draft, fileName);
  }
  return { ...draft.config, peers, bond: { ...draft.bond, uplinks } };
}

const DEFAULTS: Config = {
  device: DEFAULT_DEVICE,
  listenPort: DEFAULT_LISTEN_PORT,
  mtu: DEFAULT_MTU,
  firewallMark: 0,
  logLevel: 'info',
  name: null,
  seeds: [],
  announce: [],
  routes: [],
  acceptRoutes: true,
  peers: [],
  bond: BOND_DEFAULTS,
};

const NO_PEER: StaticPeer = {
  name: null,
  publicKey: '' as PublicKey,
  presharedKey: null,
  endpoint: null,
  allowedIps: [],
  persistentKeepalive: 0,
  line: 0,
};

function readSection(section: IniSection, name: string, draft: Draft, fileName: string): void {
  const keys = SECTIONS[name] ?? {};
  const seen = new Set<string>();
  for (const entry of section.entries) {
    const keyName = properCase(entry.key, keys);
    const key = keyName === null ? undefined : keys[keyName];
    if (keyName === null || key === undefined) {
      throw configError(fileName, entry.line, unknownKey(entry, name, keys));
    }
    if (seen.has(keyName) && !key.repeats) {
      throw configError(fileName, entry.line, `a second ${keyName} in [${name}]: remove one`);
    }
    seen.add(keyName);
    if (key.read(entry.value, draft)) continue;
    // A key that does not parse may still be a secret.
    const given = /Key$/.test(keyName) ? '' : ` '${entry.value}'`;
    throw configError(fileName, entry.line, `invalid ${keyName}${given}: give ${key.expected}`);
  }
}

/** What the [Peer] sections so far have to themselves, with the line of each section. */
interface PeerClaims {
  readonly keys: Map<PublicKey, number>;
  readonly prefixes: Map<string, number>;
}

function checkPeer(peer: StaticPeer, claims: PeerClaims, fileName: string): void {
  const { publicKey, line } = peer;
  if (publicKey === '') {
    throw configError(fileName, line, 'a [Peer] without PublicKey: add it');
  }
  const other = claims.keys.get(publicKey);
  if (other !== undefined) {
    const message = `the same PublicKey as the [Peer] in line ${other}: remove one`;
    throw configError(fileName, line, message);
  }
  claims.keys.set(publicKey, line);
  for (const prefix of peer.allowedIps.map(formatPrefix)) {
    const owner = claims.prefixes.get(prefix) ?? line;
    if (owner !== line) {
      const message = `${prefix} belongs to the [Peer] in line ${owner} already: a prefix has one peer`;
      throw configError(fileName, line, message);
    }
    claims.prefixes.set(prefix, line);
  }
}

/** The key as it is spelt in `keys`, whatever the case it was written in; null if there is none. */
function properCase(written: string, keys: Readonly<Record<string, unknown>>): string | null {
  const lower = written.toLowerCase();
  return Object.keys(keys).find((name) => name.toLowerCase() === lower) ?? null;
}

function unknownKey({ key }: IniEntry, section: string, keys: Keys<Draft>): string {
  const notHere = properCase(key, NOT_HERE);
  if (notHere !== null) return `${notHere} is not used by weft: ${NOT_HERE[notHere]}`;
  const elsewhere = Object.entries(SECTIONS).find(([, others]) => properCase(key, others) !== null);
  const remedy =
    elsewhere === undefined
      ? `the keys of [${section}] are ${Object.keys(keys).join(', ')}`
      : `it belongs to [${elsewhere[0]}]`;
  return `unknown key '${key}' in [${section}]: ${remedy}`;
}

/** A [Peer] block of a static peer, for the file and for `weft show`. */
export function formatPeerBlock(peer: StaticPeer): string {
  const lines = ['[Peer]'];
  if (peer.name !== null) lines.push(`Name = ${peer.name}`);
  lines.push(`PublicKey = ${Buffer.from(peer.publicKey, 'hex').toString('base64')}`);
  if (peer.presharedKey !== null) {
    lines.push(`PresharedKey = ${Buffer.from(peer.presharedKey).toString('base64')}`);
  }
  if (peer.endpoint !== null) lines.push(`Endpoint = ${formatHostPort(peer.endpoint)}`);
  if (peer.allowedIps.length > 0) {
    lines.push(`AllowedIPs = ${peer.allowedIps.map(formatPrefix).join(', ')}`);
  }
  if (peer.persistentKeepalive > 0) lines.push(`PersistentKeepalive = ${peer.persistentKeepalive}`);
  return `${lines.join('\n')}\n`;
}

/** The file that weft init and weft join write, with what there is to set. */
export function configTemplate(values: {
  readonly device: string;
  readonly listenPort: number;
  readonly name: string;
  readonly announce: readonly Endpoint[];
}): string {
  const announce = values.announce.map((endpoint) => formatEndpoint(endpoint, String)).join(', ');
  return `# weft.conf: see docs/configuration.md. Apply changes with: weft reload
[Interface]
Device = ${values.device}
ListenPort = ${values.listenPort}
#MTU = ${DEFAULT_MTU}
#LogLevel = info

[Mesh]
Name = ${values.name}
${announce === '' ? '#Announce = 203.0.113.7:51820     # reachable addresses that the host does not know, such as a forwarded port' : `Announce = ${announce}`}
#Seed = fra1.example.com:51820      # members to ask first; those met before are remembered
#Route = 192.168.7.0/24             # networks that this node carries to, if its certificate permits
#AcceptRoutes = yes

# Uplinks are found by themselves, and used together with peers that can (docs/bond.md). To say more of one:
#[Uplink]
#Interface = wwan0
#Role = metered                    # normal, backup, metered or off
#Quota = 50GB/month

# Plain WireGuard devices. weft export NAME adds one.
#[Peer]
#Name = phone
#PublicKey = ...
#AllowedIPs = 10.86.200.1/32
`;
}
