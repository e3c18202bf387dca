// weft export: lets a plain WireGuard device into the mesh, through this node.

import { readFileSync } from 'node:fs';
import { formatAddress, formatEndpoint, parseAddress } from '../../core/address.js';
import { WeftError } from '../../core/errors.js';
import { contains, covers } from '../../core/network.js';
import type { IpAddress } from '../../core/types.js';
import { createIdentity, wireGuardKeyOf } from '../../mesh/identity.js';
import { isNodeName } from '../../mesh/record.js';
import { writeFileAtomically } from '../../node/atomic-file.js';
import { type HostPort, parseHostPort } from '../../node/config.js';
import { createMeshCrypto } from '../../node/mesh-crypto.js';
import { createPlainDevice, deviceConfig, withDevice } from '../../node/plain-device.js';
import { loadSettings, type Settings } from '../../node/settings.js';
import type { NodeStatus } from '../../node/status.js';
import { localEndpoints } from '../../node/underlay.js';
import { type Command, type Context, usageError } from '../command.js';
import { encodeQr, renderQr } from '../qr.js';
import { routeOption } from './init.js';

export const exportPeer: Command = {
  help: `Usage: weft export NAME [--conf | --qr] [OPTIONS]

Makes keys and a mesh address for a plain WireGuard device (a phone, a router), adds it to weft.conf as a [Peer] of this
node, and prints the device's configuration. The device reaches the whole mesh through this node, which must forward
(net.ipv4.ip_forward). Its private key is printed once and kept nowhere. IPv4 only. To take the device out remove its
[Peer], then weft reload.

  --conf              as a file for wg-quick or the WireGuard app (default)
  --qr                as a QR code for the WireGuard app
  --endpoint HOST:PORT  where the device reaches this node (default: the first address that this node knows)
  --route PREFIX      a network behind the mesh that the device is to reach too; repeatable
`,
  options: {
    conf: { type: 'boolean' },
    qr: { type: 'boolean' },
    endpoint: { type: 'string' },
    route: { type: 'string', multiple: true },
  },
  run,
};

async function run(context: Context): Promise<void> {
  const [name = ''] = context.arguments(1, 1, 'weft export NAME');
  if (!isNodeName(name)) throw usageError(`${name}: a DNS label, a-z, 0-9 and hyphens, up to 63`);
  if (context.flag('conf') && context.flag('qr')) throw usageError('--conf or --qr, not both');
  const routes = context.list('route').map(routeOption);
  const { paths } = context;
  const settings = loadSettings(paths);
  const { v4Prefix } = settings.mesh;
  if (v4Prefix === null) {
    throw new WeftError('ENOV4', 'the mesh has no IPv4 addresses: write the [Peer] by hand');
  }
  const running = (await context.askIfRunning('status')) as NodeStatus | undefined;
  const crypto = await createMeshCrypto();
  const device = createPlainDevice(crypto, name, v4Prefix, takenAddresses(settings, running));
  const endpoint = endpointOption(context) ?? ownEndpoint(settings);
  const identity = createIdentity(crypto, settings.seed);
  const publicKey = Buffer.from(wireGuardKeyOf(crypto, identity.id) ?? '', 'hex').toString(
    'base64',
  );
  const networks = [v4Prefix, ...routes];
  const text = deviceConfig(device, { publicKey, endpoint, networks });
  const qr = context.flag('qr') ? encodeQr(text) : null;
  const before = readFileSync(paths.config, 'utf8');
  writeFileAtomically(paths.config, withDevice(before, paths.config, device), 0o600);
  await context.askIfRunning('reload');
  for (const note of notes(settings, device.address)) context.note(`weft: ${note}`);
  const address = formatAddress(device.address);
  context.print({ name, address, config: text }, () => (qr === null ? text : renderQr(qr)));
}

function takenAddresses(settings: Settings, running: NodeStatus | undefined): IpAddress[] {
  const members = running?.members.flatMap(({ addresses }) => addresses) ?? [];
  const devices =
    running?.members.flatMap(({ routes }) =>
      routes.filter((route) => route.endsWith('/32')).map((route) => route.slice(0, -3)),
    ) ?? [];
  const texts = [...members, ...devices, ...(running?.addresses ?? [])];
  const parsed = texts.map(parseAddress).filter((address) => address !== null);
  return [
    ...parsed,
    ...settings.config.peers.flatMap((peer) => peer.allowedIps.map((p) => p.address)),
  ];
}

function endpointOption(context: Context): HostPort | null {
  const text = context.text('endpoint');
  if (text === undefined) return null;
  const endpoint = parseHostPort(text);
  if (endpoint !== null) return endpoint;
  throw usageError(`--endpoint ${text}: give HOST:PORT or [IPV6]:PORT`);
}

function ownEndpoint({ config, mesh }: Settings): HostPort {
  const isInside = (address: IpAddress) =>
    mesh.v4Prefix !== null && contains(mesh.v4Prefix, address);
  const found = [
    ...config.announce,
    ...localEndpoints(config.listenPort, config.device, isInside),
  ].map((endpoint) => parseHostPort(formatEndpoint(endpoint, String)))[0];
  if (found) return found;
  throw new WeftError('ENOENDPOINT', 'this node has no address: give --endpoint HOST:PORT');
}

/** What else is needed for the device to reach the mesh. */
function notes({ certificate }: Settings, address: IpAddress): string[] {
  const found: string[] = [];
  const prefix = { address, length: 32 };
  if (certificate !== null && !certificate.routes.some((route) => covers(route, prefix))) {
    found.push(
      `this node's certificate does not cover ${formatAddress(address)}: only this node will reach the device (have one signed with --route)`,
    );
  }
  if (readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '0') {
    found.push('this host does not forward: sysctl -w net.ipv4.ip_forward=1');
  }
  return found;
}
