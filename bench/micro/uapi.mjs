/** UAPI `set` of many peers, from its lines through the core to a data plane in memory. */
import { FakeDataPlane } from '../../dist/dataplane/fake.js';
import { toyCipher } from '../../dist/dataplane/fake-cipher.js';
import { FakeNetwork } from '../../dist/dataplane/fake-network.js';
import { systemRandom } from '../../dist/node/crypto.js';
import { Driver } from '../../dist/node/driver.js';
import { UapiSet } from '../../dist/node/uapi-set.js';
import { createDevice } from './devices.mjs';

const hex = (bytes) => Buffer.from(bytes).toString('hex');

function setLines(peers, prefixesPerPeer) {
  const lines = [`private_key=${hex(systemRandom.bytes(32))}`, 'replace_peers=true'];
  for (let peer = 0; peer < peers; peer++) {
    lines.push(`public_key=${hex(systemRandom.bytes(32))}`);
    lines.push(`preshared_key=${hex(systemRandom.bytes(32))}`);
    lines.push(`endpoint=192.0.2.${peer % 250}:51820`, 'persistent_keepalive_interval=25');
    for (let i = 0; i < prefixesPerPeer; i++) {
      const n = peer * prefixesPerPeer + i;
      lines.push(`allowed_ip=10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}/32`);
    }
  }
  return lines;
}

function configure(lines, peers) {
  const clock = { nowMs: () => 1_000_000 };
  const device = createDevice({ nowMs: clock.nowMs() });
  const dataPlane = new FakeDataPlane({
    network: new FakeNetwork(),
    addresses: [Uint8Array.of(192, 0, 2, 251)],
    clock,
    cipher: toyCipher,
  });
  const driver = new Driver({
    device,
    dataPlane,
    scheduler: { after: () => () => {}, soon: () => {} },
    logger: { error: () => {}, debug: () => {} },
    onLinkGone: () => {},
  });
  const set = new UapiSet(driver);
  const failure = set.apply(lines) ?? set.finish();
  if (failure || device.peerCount !== peers) {
    throw new Error(`set: ${failure?.message ?? `${device.peerCount} peers`}`);
  }
}

/** @param {import('tinybench').Bench} bench */
export function addTasks(bench) {
  for (const [peers, prefixesPerPeer] of [
    [1000, 1],
    [1000, 100],
  ]) {
    const lines = setLines(peers, prefixesPerPeer);
    bench.add(`set ${peers} peers, ${peers * prefixesPerPeer} allowed IPs`, () =>
      configure(lines, peers),
    );
  }
}
