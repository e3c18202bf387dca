// Addresses that change hands while the mesh runs: the loser has to learn of it, and to find another.

import { describe, expect, test } from 'vitest';
import { formatAddress } from '../../src/core/address.js';
import type { IpAddress } from '../../src/core/types.js';
import { deriveV4 } from '../../src/mesh/addresses.js';
import { signCertificate } from '../../src/mesh/certificate.js';
import type { Mesh } from '../../src/mesh/mesh.js';
import { disagreements } from './agreement.js';
import { simulationCrypto } from './crypto.js';
import { AUTHORITY, createWorld, V4_PREFIX } from './mesh-world.js';
import type { SimulatedNode } from './node.js';

const SECOND_MS = 1_000;
const CLOCK = 1_700_000_000;

const meshOf = (node: SimulatedNode) => node.mesh as Mesh;

/** What `weft export` on the node, and a certificate for it, do. */
function exportDevice(node: SimulatedNode, address: IpAddress): void {
  const routes = [{ address, length: 32 }];
  const certificate = signCertificate(AUTHORITY, {
    subject: node.id,
    name: `n${node.index}`,
    groups: [],
    addresses: [],
    routes,
    notBefore: CLOCK,
    notAfter: CLOCK + 86_400,
    serial: new Uint8Array(16),
    issuer: AUTHORITY.id,
  });
  node.perform((mesh, nowMs) => {
    mesh.setCertificate(nowMs, certificate);
    mesh.setRoutes(nowMs, routes);
  });
}

describe('a plain device', () => {
  test('keeps its address: the member that is due it takes another, and all agree', () => {
    const simulation = createWorld({ seed: 1, nodes: 5 });
    const [gateway, spare, member] = simulation.nodes as [
      SimulatedNode,
      SimulatedNode,
      SimulatedNode,
    ];
    const addressOf = (counter: number) =>
      deriveV4(simulationCrypto, V4_PREFIX, member.id, counter);
    for (const node of simulation.nodes) node.start();
    simulation.run(10 * SECOND_MS);
    const wanted = formatAddress(addressOf(0));
    expect(meshOf(gateway).addresses().owners.get(wanted)).toBe(member.id);

    exportDevice(gateway, addressOf(0));
    // what would be its next one is a device's too
    exportDevice(spare, addressOf(1));
    simulation.run(10 * SECOND_MS);
    expect(meshOf(member).self().addresses[0]).toEqual(addressOf(2));
    for (const node of simulation.nodes) {
      const { owners, losers } = meshOf(node).addresses();
      expect(owners.get(wanted)).toBe(gateway.id);
      expect(owners.get(formatAddress(addressOf(1)))).toBe(spare.id);
      expect(owners.get(formatAddress(addressOf(2)))).toBe(member.id);
      expect(losers).toEqual([]);
    }
    expect(disagreements(simulation)).toEqual([]);
  });
});
