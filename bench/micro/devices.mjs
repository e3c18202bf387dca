/** Two WireGuard cores that know each other, on a clock that the benchmark moves. */
import { createCrypto, systemRandom } from '../../dist/node/crypto.js';
import { Device } from '../../dist/wg/device.js';
import { encodePublicKey } from '../../dist/wg/keys.js';

/** A data plane that has seen no traffic. */
const noStats = {
  txBytes: () => 0n,
  rxBytes: () => 0n,
  lastSentMs: () => 0,
  lastReceivedMs: () => 0,
  lastDataSentMs: () => 0,
  lastDataReceivedMs: () => 0,
  unansweredSinceMs: () => 0,
  owesKeepaliveSinceMs: () => 0,
};

export const crypto = await createCrypto();

export function createDevice(clock) {
  const device = new Device({
    crypto,
    random: systemRandom,
    stats: noStats,
    wallTime: () => ({ seconds: Math.floor(clock.nowMs / 1000), nanoseconds: 0 }),
  });
  device.setPrivateKey(clock.nowMs, systemRandom.bytes(32));
  return device;
}

const endpointOf = (host) => ({
  address: Uint8Array.of(192, 0, 2, host),
  port: 51820,
  scopeId: 0,
});
const pathFrom = (remote) => ({ remote, local: null, interfaceIndex: 0 });

/** The initiator's and the responder's device, up, each with the other as its peer. */
export function createPair() {
  const clock = { nowMs: 1_000_000 };
  const initiator = createDevice(clock);
  const responder = createDevice(clock);
  const peerOf = (device, other, host) => {
    const peer = device.addPeer(clock.nowMs, encodePublicKey(other.publicKey));
    device.setEndpoint(clock.nowMs, peer, endpointOf(host));
    device.up(clock.nowMs);
    return peer;
  };
  const responderAtInitiator = peerOf(initiator, responder, 2);
  peerOf(responder, initiator, 1);
  initiator.takeEffects();
  responder.takeEffects();

  const sent = (device) => {
    let bytes = null;
    for (const effect of device.takeEffects()) {
      if (effect.type === 'send-handshake') bytes = effect.bytes;
      // The data plane tells when a keypair has left its slots, which frees its index.
      if (effect.type === 'install-keypair') retired.push([device, effect.keypair.localIndex]);
    }
    return bytes;
  };
  const retired = [];

  return {
    /** Past every rate limit, and with the indices of old sessions free. */
    nextRound() {
      clock.nowMs += 6_000;
      for (const [device, index] of retired.splice(0)) device.keypairRetired(index);
    },
    initiate() {
      initiator.handshakeNeeded(clock.nowMs, responderAtInitiator.id);
      return sent(initiator);
    },
    respond(initiation) {
      responder.receive(clock.nowMs, { path: pathFrom(endpointOf(1)), bytes: initiation });
      return sent(responder);
    },
    finish(response) {
      initiator.receive(clock.nowMs, { path: pathFrom(endpointOf(2)), bytes: response });
      sent(initiator);
    },
  };
}
