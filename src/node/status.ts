// What a running mesh node says of itself and of the others: one value, which `weft status` shows and --json prints.

import { formatAddress, formatEndpoint, formatPrefix } from '../core/address.js';
import { toHex } from '../core/hex.js';
import type { PublicKey } from '../core/types.js';
import type { Member, MemberState, NodeId } from '../mesh/types.js';
import type { Peer } from '../wg/device.js';
import { type BondSummary, bondSummary, type UplinkReport } from './bond-status.js';
import type { MeshNode } from './mesh-node.js';
import { createZoneNamer, wallTime } from './system.js';
import { meshPrefixes } from './tunnels.js';

/** Times are in milliseconds unless named otherwise; null = never, or none. */
export interface NodeStatus {
  readonly version: string;
  readonly name: string;
  readonly id: NodeId;
  /** base64, as WireGuard writes keys. */
  readonly publicKey: string;
  readonly device: string;
  readonly listenPort: number;
  readonly mtu: number;
  readonly uptimeMs: number;
  readonly addresses: readonly string[];
  readonly endpoints: readonly string[];
  readonly routes: readonly string[];
  readonly uplinks: readonly UplinkReport[];
  readonly mesh: { readonly id: string; readonly prefixes: readonly string[] };
  readonly health: {
    readonly awareness: number;
    readonly members: Readonly<Record<MemberState, number>>;
  };
  readonly trust: {
    readonly nodes: number;
    readonly authorities: readonly { readonly id: NodeId; readonly name: string | null }[];
    readonly certificate: CertificateStatus | null;
  };
  readonly members: readonly MemberStatus[];
  readonly peers: readonly StaticPeerStatus[];
  readonly warnings: readonly string[];
}

export interface CertificateStatus {
  readonly name: string;
  readonly groups: readonly string[];
  /** ISO 8601. */
  readonly notAfter: string;
  readonly expiresInDays: number;
  readonly mayIssue: boolean;
}

/** What WireGuard knows of a peer. */
export interface TunnelStatus {
  readonly publicKey: string;
  readonly allowedIps: readonly string[];
  readonly endpoint: string | null;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly handshakeAgoSeconds: number | null;
}

export interface MemberStatus extends TunnelStatus {
  readonly id: NodeId;
  readonly name: string;
  readonly state: MemberState;
  readonly stateForMs: number;
  readonly lastHeardAgoMs: number | null;
  readonly rttMs: number | null;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  readonly groups: readonly string[];
  readonly trustedBy: 'key' | 'certificate' | null;
  readonly expiresInDays: number | null;
  /** How packets go: without a relay, always directly. */
  readonly path: 'direct';
  /** Several uplinks used as one; null: there is no bond. */
  readonly bond: BondSummary | null;
  readonly incarnation: number;
}

export interface StaticPeerStatus extends TunnelStatus {
  readonly name: string | null;
}

export function nodeStatus(node: MeshNode): NodeStatus {
  const { mesh, settings, trust } = node;
  const self = mesh.self();
  const { driver } = node.node;
  const nameZone = createZoneNamer();
  const { awareness, counts } = mesh.health();
  const key = driver.device.publicKey;
  return {
    version: node.version,
    name: self.name,
    id: self.id,
    publicKey: key === null ? '' : Buffer.from(key).toString('base64'),
    device: node.node.interfaceName,
    listenPort: driver.listenPort,
    mtu: settings.config.mtu,
    uptimeMs: Math.round(node.uptimeMs),
    addresses: self.addresses.map(formatAddress),
    endpoints: self.endpoints.map((endpoint) => formatEndpoint(endpoint, nameZone)),
    routes: self.routes.map(formatPrefix),
    uplinks: node.bonds.uplinkReports(),
    mesh: {
      id: toHex(settings.mesh.meshId),
      prefixes: meshPrefixes(node.crypto, settings).map(formatPrefix),
    },
    health: { awareness, members: counts },
    trust: {
      nodes: [...trust.nodes()].length,
      authorities: [...trust.authorities()].map(({ id, name }) => ({ id, name })),
      certificate: certificateStatus(node),
    },
    members: [...mesh.members()]
      .filter(({ id }) => id !== self.id)
      .map((member) => memberStatus(node, member))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    peers: settings.config.peers.map((peer) => ({
      name: peer.name,
      ...tunnelStatus(node, peer.publicKey),
    })),
    warnings: warningsOf(node),
  };
}

function certificateStatus({ settings }: MeshNode): CertificateStatus | null {
  const { certificate } = settings;
  if (certificate === null) return null;
  const { name, groups, notAfter, canIssue } = certificate;
  return {
    name,
    groups,
    notAfter: new Date(notAfter * 1000).toISOString(),
    expiresInDays: Math.floor((notAfter - wallTime().seconds) / 86_400),
    mayIssue: canIssue !== undefined,
  };
}

export function memberStatus(node: MeshNode, member: Member): MemberStatus {
  const nowMs = node.nowMs();
  const { record } = member;
  const verdict = node.trust.assess(record, wallTime().seconds);
  const key = node.tunnels.keyOf(member.id);
  const bond = node.bonds.report(member.id);
  return {
    id: member.id,
    name: record.name,
    state: member.state,
    stateForMs: Math.round(nowMs - member.stateSinceMs),
    lastHeardAgoMs: Number.isFinite(member.lastHeardMs)
      ? Math.round(nowMs - member.lastHeardMs)
      : null,
    rttMs: member.rttMs,
    addresses: record.addresses.map(formatAddress),
    routes: record.routes.map(formatPrefix),
    groups: verdict.ok ? verdict.groups : [],
    trustedBy: verdict.ok ? verdict.by : null,
    expiresInDays: (verdict.ok ? verdict.expiresInDays : null) ?? null,
    path: 'direct',
    bond: bond && bondSummary(bond),
    incarnation: record.incarnation,
    ...(key === null ? NO_TUNNEL : tunnelStatus(node, key)),
  };
}

const NO_TUNNEL: TunnelStatus = {
  publicKey: '',
  allowedIps: [],
  endpoint: null,
  rxBytes: 0,
  txBytes: 0,
  handshakeAgoSeconds: null,
};

function tunnelStatus(node: MeshNode, key: PublicKey): TunnelStatus {
  const { device, dataPlane } = node.node.driver;
  const peer = device.peer(key);
  const publicKey = Buffer.from(key, 'hex').toString('base64');
  if (peer === undefined) return { ...NO_TUNNEL, publicKey };
  return {
    publicKey,
    allowedIps: peer.allowedIps().map(formatPrefix),
    endpoint: peer.endpoint && formatEndpoint(peer.endpoint, createZoneNamer()),
    rxBytes: Number(dataPlane.stats.rxBytes(peer.id)),
    txBytes: Number(dataPlane.stats.txBytes(peer.id)),
    handshakeAgoSeconds:
      peer.lastHandshake === null ? null : wallTime().seconds - peer.lastHandshake.seconds,
  };
}

function warningsOf(node: MeshNode): string[] {
  const warnings = node.tunnels.warnings();
  const uplinks = node.bonds.uplinkReports();
  const { enabled, uplinks: listed } = node.settings.config.bond;
  for (const { name, role } of enabled ? listed : []) {
    if (role === 'off' || uplinks.some((uplink) => uplink.name === name)) continue;
    warnings.push(`the uplink ${name} of weft.conf is not there, is down, or has no address`);
  }
  for (const { name, quota, spent } of uplinks) {
    if (spent) warnings.push(`the quota of ${name} (${quota}) is spent: nothing goes by it`);
  }
  const certificate = certificateStatus(node);
  if (certificate !== null && certificate.expiresInDays < 30) {
    const when =
      certificate.expiresInDays < 0 ? 'has ended' : `ends in ${certificate.expiresInDays} days`;
    warnings.push(`this node's certificate ${when}: have another signed (weft authority sign)`);
  }
  if (certificate !== null) {
    const verdict = node.trust.assess(node.mesh.self(), wallTime().seconds);
    if (!verdict.ok) warnings.push(`others do not accept this node: ${verdict.detail}`);
  }
  for (const member of node.mesh.members()) {
    if (member.state === 'left') continue;
    for (const address of member.record.addresses) {
      const owner = node.tunnels.ownerOf(address);
      if (owner === member.id || owner === null) continue;
      const text = formatAddress(address);
      warnings.push(`${member.record.name} claims ${text}, which belongs to another member`);
    }
  }
  return warnings;
}

/** A line of `wg show IF dump` for the interface, and one for each peer. */
export function wireGuardDump(node: MeshNode): string {
  const { device, dataPlane, listenPort, firewallMark } = node.node.driver;
  const base64 = (bytes: Uint8Array | null) =>
    bytes === null ? '(none)' : Buffer.from(bytes).toString('base64');
  const mark = firewallMark === 0 ? 'off' : `0x${firewallMark.toString(16)}`;
  const lines = [[base64(device.privateKey), base64(device.publicKey), `${listenPort}`, mark]];
  const nameZone = createZoneNamer();
  const line = (peer: Peer): string[] => [
    Buffer.from(peer.publicKey, 'hex').toString('base64'),
    peer.presharedKey.some((byte) => byte !== 0) ? base64(peer.presharedKey) : '(none)',
    peer.endpoint === null ? '(none)' : formatEndpoint(peer.endpoint, nameZone),
    peer.allowedIps().map(formatPrefix).join(',') || '(none)',
    `${peer.lastHandshake?.seconds ?? 0}`,
    `${dataPlane.stats.rxBytes(peer.id)}`,
    `${dataPlane.stats.txBytes(peer.id)}`,
    peer.persistentKeepaliveSeconds === 0 ? 'off' : `${peer.persistentKeepaliveSeconds}`,
  ];
  for (const peer of device.peers()) lines.push(line(peer));
  return lines.map((words) => `${words.join('\t')}\n`).join('');
}
