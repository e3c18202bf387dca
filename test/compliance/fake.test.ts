// The data plane suite on the fake.

import type { IpAddress } from '../../src/core/types.js';
import { FakeDataPlane } from '../../src/dataplane/fake.js';
import { realCipher } from '../../src/dataplane/fake-cipher.js';
import { FakeNetwork } from '../../src/dataplane/fake-network.js';
import { createCrypto } from '../../src/node/crypto.js';
import { dataPlaneSuite } from './dataplane.suite.js';
import { Side } from './rig.js';
import { udpPacket, udpPayload } from './udp-packet.js';

const crypto = await createCrypto();

async function createSide(network: FakeNetwork, number: number): Promise<Side> {
  const outer = Uint8Array.of(192, 0, 2, 1);
  const inner = Uint8Array.of(10, 9, 0, number);
  const dataPlane = new FakeDataPlane({
    network,
    addresses: [outer],
    clock: { nowMs: () => 1_000_000 },
    cipher: realCipher(crypto),
  });
  const send = (to: IpAddress, payload: string) =>
    dataPlane.inject(udpPacket(inner, to, new TextEncoder().encode(payload)));
  const side = new Side(dataPlane, outer, inner, send);
  dataPlane.onDelivered = (packet) =>
    side.payloads.push(new TextDecoder().decode(udpPayload(packet)));
  side.port = dataPlane.listen(2000 + number);
  side.start();
  return side;
}

dataPlaneSuite('fake', async () => {
  const network = new FakeNetwork();
  const a = await createSide(network, 1);
  const b = await createSide(network, 2);
  return {
    a,
    b,
    async close() {
      await a.dataPlane.close();
      await b.dataPlane.close();
    },
  };
});
