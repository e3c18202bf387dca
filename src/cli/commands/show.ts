// weft show: who this node is; weft show dump: its peers, line by line, as wg show dump.

import { formatAddress, formatPrefix } from '../../core/address.js';
import type { MeshCrypto } from '../../core/crypto.js';
import { toHex } from '../../core/hex.js';
import { deriveV4, deriveV6 } from '../../mesh/addresses.js';
import { createIdentity, wireGuardKeyOf } from '../../mesh/identity.js';
import { formatTrustedKey } from '../../mesh/trusted-key.js';
import type { NodeId } from '../../mesh/types.js';
import { createMeshCrypto } from '../../node/mesh-crypto.js';
import { loadSettings, type Settings } from '../../node/settings.js';
import type { NodeStatus } from '../../node/status.js';
import { type Command, type Context, usageError } from '../command.js';
import { table } from '../format.js';

export const show: Command = {
  help: `Usage: weft show [dump]

Who this node is, whether it runs or not: its identity, which others trust with weft trust add, and its keys and addresses.
weft show dump prints the running interface as wg show INTERFACE dump does, private key included.
`,
  options: {},
  run,
};

async function run(context: Context): Promise<void> {
  const [what] = context.arguments(0, 1, 'weft show [dump]');
  if (what === 'dump') {
    const dump = String(await context.ask('dump'));
    context.print({ dump }, () => dump);
    return;
  }
  if (what !== undefined) throw usageError(`unknown argument '${what}': weft show [dump]`);
  const settings = loadSettings(context.paths);
  const crypto = await createMeshCrypto();
  const { id } = createIdentity(crypto, settings.seed);
  const running = (await context.askIfRunning('status')) as NodeStatus | undefined;
  const { name, mesh } = settings;
  const key = wireGuardKeyOf(crypto, id) ?? '';
  const line = { kind: 'node', id, name, groups: [], addresses: [], routes: [] } as const;
  const result = {
    name,
    id,
    publicKey: Buffer.from(key, 'hex').toString('base64'),
    meshId: toHex(mesh.meshId),
    addresses: running?.addresses ?? derivedAddresses(crypto, settings, id),
    prefix: mesh.v4Prefix && formatPrefix(mesh.v4Prefix),
    running: running !== undefined,
    trustLine: formatTrustedKey(line).trim(),
  };
  context.print(result, (it) =>
    table([
      ['name', it.name],
      ['id', it.id],
      ['public key', it.publicKey],
      ['mesh', it.meshId],
      ['addresses', it.addresses.join(' ')],
      ['running', it.running ? 'yes' : 'no'],
      ['trust it', `weft trust add - <<< '${it.trustLine}'`],
    ]),
  );
}

/** What it will ask for when it is started: another may have its IPv4 address by then. */
function derivedAddresses(crypto: MeshCrypto, settings: Settings, id: NodeId): string[] {
  const { meshId, v4Prefix } = settings.mesh;
  const pinned = settings.certificate?.addresses ?? [];
  const v4 =
    pinned.find((address) => address.length === 4) ??
    (v4Prefix && deriveV4(crypto, v4Prefix, id, 0));
  const v6 = pinned.find((address) => address.length === 16) ?? deriveV6(crypto, meshId, id);
  return (v4 ? [v4, v6] : [v6]).map(formatAddress);
}
