import { beforeEach, describe, expect, test } from 'vitest';
import { udpPacket, udpPayload } from '../../test/compliance/udp-packet.js';
import { FakeNode, FakeWorld } from '../../test/support/fake-node.js';

let world: FakeWorld;
beforeEach(() => {
  world = new FakeWorld();
});

function send(from: FakeNode, to: FakeNode, text: string): void {
  from.dataPlane.inject(udpPacket(from.inner, to.inner, new TextEncoder().encode(text)));
}

function received(node: FakeNode): string[] {
  return node.dataPlane.delivered.map((packet) => new TextDecoder().decode(udpPayload(packet)));
}

/** Initiations that went out on the network. */
function initiations(): number {
  return world.network.sent.filter(({ bytes }) => bytes[0] === 1).length;
}

describe('two drivers', () => {
  test('shake hands when there is something to send, and carry it', async () => {
    const [a, b] = await world.pair();
    send(a, b, 'hello');
    expect(received(b)).toEqual([]);
    await world.scheduler.settle();
    expect(received(b)).toEqual(['hello']);
    send(b, a, 'hello yourself');
    expect(received(a)).toEqual(['hello yourself']);
    expect(initiations()).toBe(1);
  });

  test('renew their keys for as long as packets flow', async () => {
    const [a, b] = await world.pair();
    const texts: string[] = [];
    for (let second = 0; second < 400; second++) {
      texts.push(`${second}`);
      send(a, b, `${second}`);
      await world.scheduler.advance(1000);
    }
    expect(received(b)).toEqual(texts);
    expect(initiations()).toBe(4);
  });

  test('try again when the network lost the initiation', async () => {
    const [a, b] = await world.pair();
    world.network.filter = () => initiations() > 2;
    send(a, b, 'persistent');
    await world.scheduler.advance(30_000);
    expect(received(b)).toEqual(['persistent']);
  });

  test('answer data with a keepalive after 10 s, and then fall silent', async () => {
    const [a, b] = await world.pair();
    send(a, b, 'data');
    await world.scheduler.settle();
    const before = world.network.sent.length;
    await world.scheduler.advance(9_900);
    expect(world.network.sent.length).toBe(before);
    await world.scheduler.advance(200);
    expect(world.network.sent.slice(before).map(({ bytes }) => bytes.length)).toEqual([32]);
    await world.scheduler.advance(60_000);
    expect(world.network.sent.length).toBe(before + 1);
  });
});

describe('the timer', () => {
  test('is one, and none when nothing can become due', async () => {
    const [a, b] = await world.pair();
    expect(world.scheduler.timerCount).toBe(0);
    send(a, b, 'data');
    await world.scheduler.settle();
    expect(world.scheduler.timerCount).toBe(2);
    // keys are zeroed after 540 s; then both are asleep
    await world.scheduler.advance(700_000);
    expect(world.scheduler.timerCount).toBe(0);
  });

  test('does not outlive stop()', async () => {
    const [a, b] = await world.pair();
    send(a, b, 'data');
    await world.scheduler.settle();
    a.driver.stop();
    b.driver.stop();
    expect(world.scheduler.timerCount).toBe(0);
    const before = world.network.sent.length;
    await world.scheduler.advance(60_000);
    expect(world.network.sent.length).toBe(before);
  });
});

describe('a flood of handshakes', () => {
  test('is handled in slices between which others have their turn', async () => {
    const [a, b] = await world.pair();
    send(a, b, 'one initiation to copy');
    await world.scheduler.settle();
    const initiation = world.network.sent.find(({ bytes }) => bytes[0] === 1);
    if (initiation === undefined) throw new Error('no initiation');
    const counters = () => Object.values(b.device.counters()).reduce((sum, n) => sum + n, 0);
    const perTurn: number[] = [];
    for (let i = 0; i < 500; i++) world.network.send(initiation);
    await Promise.resolve();
    for (let before = counters(); (await world.scheduler.turn()) > 0; before = counters()) {
      perTurn.push(counters() - before);
    }
    expect(perTurn.length).toBeGreaterThanOrEqual(500 / 32);
    expect(b.dataPlane.read(1000).datagrams).toEqual([]);
  });

  test('puts the device under load: replies are cookies', async () => {
    const [a, b] = await world.pair();
    send(a, b, 'one initiation to copy');
    await world.scheduler.settle();
    const initiation = world.network.sent.find(({ bytes }) => bytes[0] === 1);
    if (initiation === undefined) throw new Error('no initiation');
    for (let i = 0; i < 2000; i++) world.network.send(initiation);
    await world.scheduler.settle();
    expect(b.device.counters()).toMatchObject({ 'cookies-sent': expect.any(Number) });
    expect(b.device.counters()['cookies-sent']).toBeGreaterThan(1000);
  });
});

describe('the link', () => {
  test('binds the port that was remembered while it was down', async () => {
    const node = new FakeNode(world, 1);
    node.driver.setListenPort(7);
    expect(node.driver.listenPort).toBe(7);
    expect(world.network.isFree([node.outer], 7)).toBe(true);
    node.dataPlane.setLink(true);
    await world.scheduler.settle();
    expect(world.network.isFree([node.outer], 7)).toBe(false);
    expect(node.device.isUp).toBe(true);
    node.dataPlane.setLink(false);
    await world.scheduler.settle();
    expect(world.network.isFree([node.outer], 7)).toBe(true);
    expect(node.device.isUp).toBe(false);
    expect(node.driver.listenPort).toBe(7);
  });

  test('chooses a port for port 0 and keeps it', async () => {
    const node = new FakeNode(world, 1);
    node.dataPlane.setLink(true);
    await world.scheduler.settle();
    const port = node.driver.listenPort;
    expect(port).toBeGreaterThan(0);
    node.dataPlane.setLink(false);
    node.dataPlane.setLink(true);
    await world.scheduler.settle();
    expect(node.driver.listenPort).toBe(port);
  });

  test('leaves the device down while its port is in use, until another is set', async () => {
    const first = new FakeNode(world, 1);
    const second = new FakeNode(world, 2, 1);
    for (const node of [first, second]) node.driver.setListenPort(7);
    first.dataPlane.setLink(true);
    await world.scheduler.settle();
    second.dataPlane.setLink(true);
    await world.scheduler.settle();
    expect(second.device.isUp).toBe(false);
    expect(second.logger.errors).toHaveLength(1);
    second.driver.setListenPort(8);
    expect(second.device.isUp).toBe(true);
  });

  test('down drops what waits and stops the timers', async () => {
    const [a, b] = await world.pair();
    world.network.filter = () => false;
    send(a, b, 'waits');
    await world.scheduler.settle();
    expect(world.scheduler.timerCount).toBe(1);
    a.dataPlane.setLink(false);
    await world.scheduler.settle();
    expect(world.scheduler.timerCount).toBe(0);
    world.network.filter = () => true;
    a.dataPlane.setLink(true);
    await world.scheduler.advance(60_000);
    expect(received(b)).toEqual([]);
  });

  test('up sends persistent keepalives at once', async () => {
    const [a, b] = await world.pair();
    a.dataPlane.setLink(false);
    await world.scheduler.settle();
    a.driver.perform((device, nowMs) => {
      for (const peer of device.peers()) device.setPersistentKeepalive(nowMs, peer, 25);
    });
    await world.scheduler.advance(60_000);
    expect(initiations()).toBe(0);
    a.dataPlane.setLink(true);
    await world.scheduler.settle();
    expect(initiations()).toBe(1);
    expect(received(b)).toEqual([]);
  });

  test('gone is reported', async () => {
    const node = new FakeNode(world, 1);
    node.dataPlane.deleteLink();
    await world.scheduler.settle();
    expect(node.linkGone).toBe(true);
  });
});

describe('settings', () => {
  test('of a port in use throw and change nothing', async () => {
    const first = new FakeNode(world, 1);
    const second = new FakeNode(world, 2, 1);
    for (const node of [first, second]) {
      node.dataPlane.setLink(true);
      await world.scheduler.settle();
    }
    const port = second.driver.listenPort;
    expect(() => second.driver.setListenPort(first.driver.listenPort)).toThrow(
      expect.objectContaining({ code: 'EADDRINUSE' }),
    );
    expect(second.driver.listenPort).toBe(port);
    second.driver.setListenPort(0);
    expect(second.driver.listenPort).not.toBe(0);
  });

  test('of the firewall mark reach the sockets', () => {
    const node = new FakeNode(world, 1);
    node.driver.setFirewallMark(0x20);
    expect(node.dataPlane.firewallMark).toBe(0x20);
    expect(node.driver.firewallMark).toBe(0x20);
  });
});
