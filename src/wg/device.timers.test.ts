import { describe, expect, it } from 'vitest';
import { endpoint, must, only, pair, shake } from '../../test/support/wg.js';
import { decodeHandshakeMessage } from '../wire/wireguard.js';

type World = ReturnType<typeof pair>;

/** Times of one kind of effect on Alice's side until `ms`, relative to now. */
function times({ alice, clock }: World, type: string, ms: number): number[] {
  const startMs = clock.nowMs;
  const seen = alice.runUntil(startMs + ms);
  return seen.filter(({ effect }) => effect.type === type).map(({ atMs }) => atMs - startMs);
}

describe('REKEY_TIMEOUT', () => {
  it('allows one initiation in 5 s, whoever asks', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    expect(alice.initiate(bobAtAlice)).not.toBeNull();
    clock.nowMs += 4_999;
    expect(alice.initiate(bobAtAlice)).toBeNull();
    clock.nowMs += 1;
    expect(alice.initiate(bobAtAlice)).not.toBeNull();
  });

  it('starts again with a response', () => {
    const world = pair();
    const { bob, aliceAtBob, clock } = world;
    shake(world);
    clock.nowMs += 4_999;
    expect(bob.initiate(aliceAtBob)).toBeNull();
    clock.nowMs += 1;
    expect(bob.initiate(aliceAtBob)).not.toBeNull();
  });

  it('does not hold back a device whose key changed', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    expect(alice.initiate(bobAtAlice)).not.toBeNull();
    alice.device.setPrivateKey(clock.nowMs, new Uint8Array(32).fill(9));
    alice.drain();
    expect(alice.initiate(bobAtAlice)).not.toBeNull();
  });
});

describe('retransmits', () => {
  it('come after 5 s and up to 333 ms of jitter, with the cached source forgotten first', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    const first = must(alice.initiate(bobAtAlice));
    const startMs = clock.nowMs;
    const seen = alice.runUntil(startMs + 6_000);
    expect(seen.map(({ effect }) => effect.type)).toEqual(['clear-source', 'send-handshake']);
    const afterMs = must(seen[0]).atMs - startMs;
    expect(afterMs).toBeGreaterThanOrEqual(5_000);
    expect(afterMs).toBeLessThanOrEqual(5_333);
    const again = must(seen[1]).effect;
    if (again.type !== 'send-handshake') throw new Error('no retransmit');
    expect(again.bytes).not.toEqual(first);
    expect(decodeHandshakeMessage(again.bytes)).toMatchObject({ type: 1 });
  });

  it('are jittered', () => {
    const world = pair();
    world.alice.initiate(world.bobAtAlice);
    const at = times(world, 'send-handshake', 90_000);
    const gaps = at.slice(1).map((ms, i) => ms - must(at[i]));
    expect(new Set(gaps.map((gap) => Math.round(gap))).size).toBeGreaterThan(5);
    for (const gap of gaps) {
      expect(gap).toBeGreaterThanOrEqual(5_000);
      expect(gap).toBeLessThanOrEqual(5_333 + 25);
    }
  });

  it('end after 90 s: what was staged goes, and all keys 540 s later', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    alice.initiate(bobAtAlice);
    const startMs = clock.nowMs;
    const seen = alice.runUntil(startMs + 1_000_000);
    const of = (type: string) => seen.filter(({ effect }) => effect.type === type);
    // As in Linux: one more while the count of retransmits is at most 18.
    expect(of('send-handshake')).toHaveLength(19);
    const [gaveUp, ...more] = of('drop-staged');
    expect(more).toEqual([]);
    const gaveUpAfterMs = must(gaveUp).atMs - startMs;
    expect(gaveUpAfterMs).toBeGreaterThan(100_000);
    expect(gaveUpAfterMs).toBeLessThan(107_500);
    const zeroed = of('clear-keypairs');
    expect(zeroed).toHaveLength(1);
    expect(must(zeroed[0]).atMs - must(gaveUp).atMs).toBe(540_000);
    expect(alice.device.nextTickMs()).toBe(Infinity);
    expect(alice.device.counters()).toMatchObject({ 'handshakes-given-up': 1 });
  });

  it('count from the last time someone asked', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    alice.initiate(bobAtAlice);
    alice.runUntil(clock.nowMs + 80_000);
    alice.device.handshakeNeeded(clock.nowMs, bobAtAlice.id);
    alice.drain();
    expect(times(world, 'drop-staged', 90_000)).toEqual([]);
    expect(times(world, 'drop-staged', 30_000)).toHaveLength(1);
  });

  it('end with the response', () => {
    const world = pair();
    shake(world);
    expect(times(world, 'send-handshake', 170_000)).toEqual([]);
  });

  it('end when the peer uses the keys of its own handshake', () => {
    const world = pair();
    const { alice, bob, clock, bobAtAlice, aliceAtBob } = world;
    bob.device.setEndpoint(clock.nowMs, aliceAtBob, alice.endpoint);
    alice.initiate(bobAtAlice);
    alice.receive(must(bob.initiate(aliceAtBob)), bob.endpoint);
    alice.drain();
    alice.device.keypairConfirmed(clock.nowMs, bobAtAlice.id);
    expect(times(world, 'send-handshake', 20_000)).toEqual([]);
  });

  it('go on when both initiated at once and neither was answered', () => {
    const world = pair();
    const { alice, bob, clock, bobAtAlice, aliceAtBob } = world;
    bob.device.setEndpoint(clock.nowMs, aliceAtBob, alice.endpoint);
    alice.initiate(bobAtAlice);
    clock.nowMs += 400;
    alice.receive(must(bob.initiate(aliceAtBob)), bob.endpoint);
    alice.drain();
    // The response restarted the clock 400 ms after the initiation: later than any jitter.
    expect(times(world, 'send-handshake', 5_100)).toEqual([5_000]);
  });
});

describe('the new-handshake timer', () => {
  it('fires 15 s and jitter after data that nothing answered, once', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    shake(world);
    clock.nowMs += 30_000;
    alice.stats.set('unansweredSinceMs', bobAtAlice.id, clock.nowMs);
    const startMs = clock.nowMs;
    const seen = alice.runUntil(startMs + 16_000);
    expect(seen.map(({ effect }) => effect.type)).toEqual([
      'clear-unanswered',
      'clear-source',
      'send-handshake',
    ]);
    const afterMs = must(seen[0]).atMs - startMs;
    expect(afterMs).toBeGreaterThanOrEqual(15_000);
    expect(afterMs).toBeLessThanOrEqual(15_333 + 25);
  });

  it('is off once something authenticated came', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    shake(world);
    clock.nowMs += 30_000;
    alice.stats.set('unansweredSinceMs', bobAtAlice.id, clock.nowMs);
    alice.runUntil(clock.nowMs + 14_000);
    alice.stats.set('unansweredSinceMs', bobAtAlice.id, 0);
    expect(times(world, 'send-handshake', 20_000)).toEqual([]);
  });
});

describe('the passive keepalive', () => {
  it('goes 10 s after data was received with nothing sent since, once', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    shake(world);
    clock.nowMs += 1_000;
    alice.stats.set('owesKeepaliveSinceMs', bobAtAlice.id, clock.nowMs);
    expect(times(world, 'send-keepalive', 60_000)).toEqual([10_000]);
    alice.stats.set('owesKeepaliveSinceMs', bobAtAlice.id, clock.nowMs - 1_000);
    expect(times(world, 'send-keepalive', 60_000)).toEqual([9_000]);
  });

  it('is off once something was sent', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    shake(world);
    alice.stats.set('owesKeepaliveSinceMs', bobAtAlice.id, clock.nowMs);
    alice.runUntil(clock.nowMs + 9_900);
    alice.stats.set('owesKeepaliveSinceMs', bobAtAlice.id, 0);
    expect(times(world, 'send-keepalive', 60_000)).toEqual([]);
  });

  it('is off after giving up', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    alice.initiate(bobAtAlice);
    alice.runUntil(clock.nowMs + 99_000);
    alice.stats.set('owesKeepaliveSinceMs', bobAtAlice.id, clock.nowMs);
    // The mark stays: the data plane may be slow to clear it.
    alice.stats.set = () => {};
    expect(times(world, 'drop-staged', 9_000)).toHaveLength(1);
    expect(times(world, 'send-keepalive', 100_000)).toEqual([]);
  });
});

describe('key material', () => {
  it('is zeroed 540 s after the last session began, on both sides, and the peers sleep', () => {
    const world = pair();
    shake(world);
    const { alice, bob, clock } = world;
    const startMs = clock.nowMs;
    expect(times(world, 'clear-keypairs', 600_000)).toEqual([540_000]);
    expect(alice.device.nextTickMs()).toBe(Infinity);
    clock.nowMs = startMs;
    const zeroed = bob.runUntil(startMs + 600_000);
    expect(zeroed).toMatchObject([{ atMs: startMs + 540_000, effect: { type: 'clear-keypairs' } }]);
  });

  it('lives on with each new session', () => {
    const world = pair();
    shake(world);
    world.alice.runUntil(world.clock.nowMs + 120_000);
    shake(world);
    expect(times(world, 'clear-keypairs', 1_000_000)).toEqual([540_000]);
  });

  it('of a pending handshake goes too: a late response is refused', () => {
    const world = pair();
    const { alice, bob, clock, bobAtAlice } = world;
    shake(world);
    const startMs = clock.nowMs;
    alice.runUntil(startMs + 539_000);
    clock.nowMs = startMs + 539_000;
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    const response = must(only(bob.drain(), 'send-handshake')).bytes;
    alice.runUntil(startMs + 540_000);
    alice.receive(response, bob.endpoint);
    expect(alice.drain()).toEqual([]);
  });
});

describe('renewal by age', () => {
  it('is asked for by the data plane at 120 s and 165 s, and starts at once', () => {
    const world = pair();
    const { alice, clock, bobAtAlice } = world;
    shake(world);
    alice.runUntil(clock.nowMs + 120_000);
    shake(world);
    alice.runUntil(clock.nowMs + 165_000);
    expect(alice.initiate(bobAtAlice)).not.toBeNull();
    expect(alice.keypairs).toHaveLength(2);
  });

  it('is nothing the core does by itself at 180 s', () => {
    const world = pair();
    shake(world);
    expect(world.alice.runUntil(world.clock.nowMs + 539_000)).toEqual([]);
  });
});

describe('the persistent keepalive', () => {
  function persistent(seconds: number): World {
    const world = pair();
    shake(world);
    world.alice.device.setPersistentKeepalive(world.clock.nowMs, world.bobAtAlice, seconds);
    return world;
  }

  it('goes at once when it is turned on, not when it is changed', () => {
    const { alice, clock, bobAtAlice } = persistent(25);
    expect(alice.drainTypes()).toEqual(['send-keepalive']);
    alice.device.setPersistentKeepalive(clock.nowMs, bobAtAlice, 20);
    expect(alice.drain()).toEqual([]);
    expect(bobAtAlice.persistentKeepaliveSeconds).toBe(20);
  });

  it('goes every interval, counted from the last packet either way', () => {
    const world = persistent(25);
    world.alice.drain();
    expect(times(world, 'send-keepalive', 60_000)).toEqual([25_000, 50_000]);
    world.alice.stats.set('lastReceivedMs', world.bobAtAlice.id, world.clock.nowMs);
    expect(times(world, 'send-keepalive', 30_000)).toEqual([25_000]);
    world.alice.stats.set('lastSentMs', world.bobAtAlice.id, world.clock.nowMs);
    expect(times(world, 'send-keepalive', 26_000)).toEqual([25_000]);
  });

  it('stops at 0', () => {
    const world = persistent(25);
    world.alice.device.setPersistentKeepalive(world.clock.nowMs, world.bobAtAlice, 0);
    world.alice.drain();
    expect(times(world, 'send-keepalive', 100_000)).toEqual([]);
  });

  it('keeps on after the keys were zeroed and a handshake was given up', () => {
    const world = persistent(25);
    world.alice.drain();
    expect(times(world, 'send-keepalive', 800_000).length).toBe(32);
  });

  it('goes at once when the interface comes up', () => {
    const { alice, clock } = persistent(25);
    alice.device.down(clock.nowMs);
    alice.drain();
    alice.device.up(clock.nowMs);
    expect(alice.drainTypes()).toEqual(['send-keepalive']);
  });

  it('waits for an endpoint, and goes at once when there is one', () => {
    const world = pair();
    const { bob, aliceAtBob, clock } = world;
    bob.device.setPersistentKeepalive(clock.nowMs, aliceAtBob, 10);
    expect(bob.runUntil(clock.nowMs + 100_000)).toEqual([]);
    bob.device.setEndpoint(clock.nowMs, aliceAtBob, endpoint('192.0.2.1', 1111));
    expect(bob.drainTypes()).toEqual(['set-endpoint', 'send-keepalive']);
    bob.device.setEndpoint(clock.nowMs, aliceAtBob, endpoint('192.0.2.1', 1112));
    expect(bob.drainTypes()).toEqual(['set-endpoint']);
  });
});

describe('ticks', () => {
  it('are at least 25 ms apart, and at least every 2 s while a peer is awake', () => {
    const world = pair();
    const { alice, clock } = world;
    expect(alice.device.nextTickMs()).toBe(Infinity);
    shake(world);
    expect(alice.device.nextTickMs()).toBe(clock.nowMs + 2_000);
    alice.device.tick(clock.nowMs + 2_000);
    alice.device.handshakeNeeded(clock.nowMs + 2_000, world.bobAtAlice.id);
    alice.stats.set('owesKeepaliveSinceMs', world.bobAtAlice.id, clock.nowMs - 100_000);
    alice.device.handshakeNeeded(clock.nowMs + 2_001, world.bobAtAlice.id);
    expect(alice.device.nextTickMs()).toBe(clock.nowMs + 2_025);
  });

  it('are not wanted while the interface is down', () => {
    const world = pair();
    const { alice, clock, bobAtAlice } = world;
    shake(world);
    alice.device.setPersistentKeepalive(clock.nowMs, bobAtAlice, 1);
    alice.stats.set('unansweredSinceMs', bobAtAlice.id, clock.nowMs);
    alice.stats.set('owesKeepaliveSinceMs', bobAtAlice.id, clock.nowMs);
    alice.device.down(clock.nowMs);
    // Not drained: the marks of before stay, as when the data plane is slow to clear them.
    alice.device.takeEffects();
    expect(alice.device.nextTickMs()).toBe(Infinity);
    alice.device.setPersistentKeepalive(clock.nowMs, bobAtAlice, 0);
    alice.device.up(clock.nowMs);
    expect(alice.initiate(bobAtAlice)).not.toBeNull();
    const types = alice.runUntil(clock.nowMs + 40_000).map(({ effect }) => effect.type);
    expect(new Set(types)).toEqual(new Set(['clear-source', 'send-handshake']));
  });
});
