// Mesh nodes on fake data planes, one network and one clock for all; files and sockets are real ones.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeScheduler } from '../../test/support/scheduler.js';
import { seededRandom } from '../../test/support/wg.js';
import { WeftError } from '../core/errors.js';
import { FakeDataPlane } from '../dataplane/fake.js';
import { realCipher } from '../dataplane/fake-cipher.js';
import { FakeNetwork } from '../dataplane/fake-network.js';
import { createIdentity } from '../mesh/identity.js';
import { signRevocation } from '../mesh/revocation.js';
import { createMeshCrypto } from './mesh-crypto.js';
import { type LogLine, MeshLog } from './mesh-log.js';
import type { MeshNode } from './mesh-node.js';
import { openMeshNode } from './open-mesh-node.js';
import { readConfig } from './settings.js';
import { type MeshFile, StateStore } from './state-store.js';
import { nodeStatus } from './status.js';

const crypto = await createMeshCrypto();

let directory: string;
let scheduler: FakeScheduler;
let network: FakeNetwork;
let hosts: Host[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weft-'));
  scheduler = new FakeScheduler();
  network = new FakeNetwork();
  hosts = [];
});

afterEach(async () => {
  for (const host of hosts) await host.stop();
  rmSync(directory, { recursive: true });
});

/** Turns of the real event loop, for files and sockets, and of the fake one. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    await scheduler.settle();
  }
}

async function advance(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    await scheduler.advance(100);
    await settle();
  }
}

/** Time passes while something waits for it. */
async function whileTimePasses<T>(work: Promise<T>): Promise<T> {
  let done = false;
  const finished = work.finally(() => {
    done = true;
  });
  finished.catch(() => {});
  while (!done) await advance(100);
  return finished;
}

class Host {
  readonly directory: string;
  readonly store: StateStore;
  readonly lines: LogLine[] = [];
  /** What `ip` was told, line by line. */
  readonly ip: string[] = [];
  /** What `ip route` answers, for both families. */
  routes = '[]';
  /** A part of what `ip` is told that it refuses. */
  refuses: string | null = null;
  /** Its uplinks: up0, up1, ... with these addresses and default routes. */
  uplinks: readonly string[] = [];
  /** Tells it that its network has changed. */
  networkChanged: () => void = () => {};
  node: MeshNode | null = null;

  constructor(readonly number: number) {
    this.directory = join(directory, `${number}`);
    mkdirSync(this.directory);
    this.store = new StateStore(join(this.directory, 'state'));
    this.store.prepare();
    this.store.createSeed('identity', false);
    this.store.writeMesh({
      meshId: new Uint8Array(16).fill(1),
      meshKey: new Uint8Array(32).fill(2),
      v4Prefix: { address: Uint8Array.of(10, 86, 0, 0), length: 16 },
      seeds: [],
    });
    this.configure('');
    hosts.push(this);
  }

  get paths() {
    const path = (name: string) => join(this.directory, name);
    return {
      config: path('weft.conf'),
      state: this.store.directory,
      run: path('run'),
      uapi: path('uapi'),
    };
  }

  get id(): string {
    const seed = this.store.readSeed('identity');
    if (seed === null) throw new Error('no identity');
    return createIdentity(crypto, seed).id;
  }

  configure(more: string): void {
    const text = `[Mesh]\nName = n${this.number}\nAnnounce = 192.0.2.${this.number}:51820\nSeed = 192.0.2.1:51820\n${more}`;
    writeFileSync(this.paths.config, text);
  }

  trust(other: Host, options = ''): void {
    this.store.writeTrusted(`n${other.number}`, `node ${other.id} ${options}\n`);
  }

  async start(): Promise<MeshNode> {
    const dataPlane = new FakeDataPlane({
      network,
      addresses: [Uint8Array.of(192, 0, 2, this.number)],
      clock: scheduler,
      cipher: realCipher(crypto),
      interfaceName: 'weft0',
    });
    const opening = openMeshNode({
      paths: this.paths,
      config: readConfig(this.paths.config),
      log: new MeshLog('debug', (line) => this.lines.push(line)),
      version: '0',
      dataPlane,
      scheduler,
      random: seededRandom(this.number),
      resolver: async () => [],
      monitor: (onChange) => {
        this.networkChanged = () => onChange(true);
        return () => {};
      },
      runIp: async (argv, input) => {
        if (argv.includes('address')) return JSON.stringify(this.uplinks.map(linkOf));
        if (argv.includes('default')) {
          return JSON.stringify(this.uplinks.map((_, i) => ({ dev: `up${i}`, metric: i })));
        }
        if (argv[0] === '-j') return this.routes;
        if (this.refuses !== null && input.includes(this.refuses)) throw new WeftError('EIP', 'no');
        this.ip.push(...input.trimEnd().split('\n'));
        if (input.includes(' up')) dataPlane.setLink(true);
        return '';
      },
    });
    this.node = await whileTimePasses(opening);
    return this.node;
  }

  async stop(): Promise<void> {
    if (this.node !== null) await whileTimePasses(this.node.down());
    this.node = null;
  }

  /** Begins a session, as a packet would. */
  talkTo(other: Host): void {
    const { driver } = this.node?.node ?? {};
    driver?.perform((device, nowMs) => {
      for (const peer of device.peers()) {
        const key = Buffer.from(peer.publicKey, 'hex').toString('base64');
        if (key === other.status.publicKey) device.handshakeNeeded(nowMs, peer.id);
      }
    });
  }

  /** Without a word to anybody. */
  async kill(): Promise<void> {
    this.node?.halt();
    await this.node?.node.close();
    this.node = null;
  }

  reload() {
    if (this.node === null) throw new Error('not started');
    return whileTimePasses(this.node.reload());
  }

  get status() {
    if (this.node === null) throw new Error('not started');
    return nodeStatus(this.node);
  }
}

/** As `ip -j -d address` describes it. */
function linkOf(local: string, i: number) {
  const addr_info = [{ local, prefixlen: 24, scope: 'global' }];
  return { ifindex: i + 2, ifname: `up${i}`, flags: ['UP'], operstate: 'UP', addr_info };
}

async function pair(): Promise<[Host, Host]> {
  const [a, b] = [new Host(1), new Host(2)];
  a.trust(b);
  b.trust(a);
  await a.start();
  await b.start();
  await advance(1_000);
  return [a, b];
}

describe('a mesh node', () => {
  test('has members as WireGuard peers, with their keys, addresses and endpoints', async () => {
    const [a, b] = await pair();
    const [member] = a.status.members;
    expect(member).toMatchObject({ name: 'n2', state: 'alive', trustedBy: 'key' });
    expect(member?.publicKey).toBe(b.status.publicKey);
    expect(member?.allowedIps.map((prefix) => prefix.replace(/\/.*/, ''))).toEqual(
      b.status.addresses,
    );
    expect(member?.endpoint).toBe('192.0.2.2:51820');
    expect(member?.handshakeAgoSeconds).toBeNull();
  });

  test('sets up its interface', async () => {
    const host = new Host(1);
    await host.start();
    const [v4, v6] = host.status.addresses;
    expect(host.ip).toEqual([
      'link set dev weft0 mtu 1420 up',
      `address replace ${v4}/16 dev weft0`,
      `address replace ${v6}/48 dev weft0 nodad`,
    ]);
  });

  test('keeps to a revocation that could not be saved, also after a reload', async () => {
    const authority = createIdentity(crypto, new Uint8Array(32).fill(9));
    const [a, b] = await pair();
    a.store.writeTrusted('authority', `authority ${authority.id}\n`);
    await a.reload();
    const seed = b.store.readSeed('identity') as Uint8Array;
    const subject = { kind: 'node', node: createIdentity(crypto, seed).id } as const;
    const revocation = signRevocation(authority, { subject, reason: '', issuedAt: 1 });
    expect(a.node?.addRevocation(revocation)).toBe('new');
    rmSync(a.store.path('revocations'));
    await a.reload();
    await advance(5_000);
    expect(a.status.members).toEqual([]);
    expect([...(a.node?.node.driver.device.peers() ?? [])]).toEqual([]);
  });

  test('accepts nobody it does not trust', async () => {
    const [a, b] = [new Host(1), new Host(2)];
    b.trust(a);
    await a.start();
    await b.start();
    await advance(5_000);
    expect(a.status.members).toEqual([]);
    a.trust(b);
    expect(await a.reload()).toEqual({ changes: ['trust'] });
    await advance(5_000);
    expect(a.status.members).toHaveLength(1);
    a.store.removeTrusted('n2');
    await a.reload();
    await advance(100);
    expect(a.status.members).toEqual([]);
    expect(a.node?.node.driver.device.peerCount).toBe(0);
  });

  test('keeps members, and begins with a new incarnation', async () => {
    const [a, b] = await pair();
    const incarnation = a.status.members[0]?.incarnation ?? 0;
    await b.stop();
    await a.stop();
    expect(a.store.readBytes('members')).not.toBeNull();
    await b.start();
    await a.start();
    await advance(3_000);
    expect(a.status.members).toMatchObject([{ name: 'n2', state: 'alive' }]);
    expect(a.status.members[0]?.incarnation).toBeGreaterThan(incarnation);
  });

  test('makes a new session with a member that was killed and started again', async () => {
    const [a, b] = await pair();
    a.talkTo(b);
    await advance(1_000);
    expect(b.status.members[0]?.handshakeAgoSeconds).not.toBeNull();
    await b.kill();
    await advance(1_000);
    await b.start();
    expect(b.status.members[0]?.handshakeAgoSeconds).toBeNull();
    await advance(6_000);
    expect(b.status.members[0]?.handshakeAgoSeconds).not.toBeNull();
  });

  test('says that it leaves; its peer goes', async () => {
    const [a, b] = await pair();
    await b.stop();
    await advance(1_000);
    expect(a.status.members).toMatchObject([{ name: 'n2', state: 'left' }]);
    expect(a.node?.node.driver.device.peerCount).toBe(0);
    expect(a.lines.map(({ message }) => message)).toContain('member left');
  });

  test('uses routes that a member may offer, unless this host reaches them itself', async () => {
    const [a, b] = [new Host(1), new Host(2)];
    a.trust(b, 'routes=192.168.0.0/16');
    b.trust(a);
    a.routes = JSON.stringify([{ dst: '192.168.8.0/24', dev: 'eth0', protocol: 'kernel' }]);
    b.configure('Route = 192.168.7.0/24, 192.168.8.0/25\n');
    await a.start();
    await b.start();
    await advance(1_000);
    expect(a.status.members[0]?.allowedIps).toContain('192.168.7.0/24');
    expect(a.ip).toContain('route add 192.168.7.0/24 dev weft0 proto 119');
    expect(a.ip.join()).not.toContain('192.168.8.0');
    expect(a.status.warnings.join()).toContain('overlaps 192.168.8.0/24 on eth0');
    a.configure('AcceptRoutes = no\n');
    await a.reload();
    expect(a.ip.at(-1)).toBe('route del 192.168.7.0/24 dev weft0 proto 119');
  });

  test('leaves the routes of the host as they are, also those that came after the start', async () => {
    const [a, b] = [new Host(1), new Host(2)];
    a.trust(b, 'routes=192.168.0.0/16,0.0.0.0/1');
    b.trust(a);
    await a.start();
    const foreign = { dst: '192.168.7.0/24', gateway: '10.0.0.1', dev: 'eth0', protocol: 'static' };
    a.routes = JSON.stringify([foreign]);
    b.configure('Route = 192.168.7.0/24, 192.168.9.0/24, 0.0.0.0/1\n');
    await b.start();
    await advance(1_000);
    expect(a.ip.filter((line) => line.startsWith('route'))).toEqual([
      'route add 192.168.9.0/24 dev weft0 proto 119',
    ]);
    expect(a.status.members[0]?.allowedIps).not.toContain('192.168.7.0/24');
    const warnings = a.status.warnings.join('\n');
    expect(warnings).toContain(
      'route 192.168.7.0/24 is not used: this host has a route of its own for it on eth0 (proto static)',
    );
    expect(warnings).toContain('route 0.0.0.0/1 is not used: it is as wide as a default route');
    a.routes = '[]';
    await a.reload();
    expect(a.ip).toContain('route add 192.168.7.0/24 dev weft0 proto 119');
  });

  test('what is configured comes before the routes of members, and their addresses before it', async () => {
    const [a, b] = await pair();
    const [address = ''] = b.status.addresses;
    a.trust(b, 'routes=192.168.7.0/24');
    const key = Buffer.alloc(32, 7).toString('base64');
    const around = `${address.replace(/\d+$/, '0')}/24`;
    a.configure(`[Peer]\nPublicKey = ${key}\nAllowedIPs = ${around}, 192.168.0.0/16\n`);
    b.configure('Route = 192.168.7.0/24\n');
    await a.reload();
    await b.reload();
    await advance(1_000);
    expect(a.status.members[0]?.allowedIps).toContain(`${address}/32`);
    expect(a.status.members[0]?.allowedIps).not.toContain('192.168.7.0/24');
    const warnings = a.status.warnings.join('\n');
    expect(warnings).toContain(
      `${address} of n2 is in AllowedIPs ${around} of a static peer: n2 gets its packets`,
    );
    expect(warnings).toContain(
      'route 192.168.7.0/24 is not used: it overlaps 192.168.0.0/16, AllowedIPs of a static peer',
    );
  });

  test('does not start where the mesh overlaps a network of the host', async () => {
    const host = new Host(1);
    host.routes = JSON.stringify([{ dst: '10.86.7.0/24', dev: 'eth0', protocol: 'kernel' }]);
    await expect(host.start()).rejects.toThrow('10.86.0.0/16 overlaps 10.86.7.0/24 on eth0');
  });

  test('reloads all or nothing', async () => {
    const host = new Host(1);
    await host.start();
    host.configure('[Interface]\nMTU = 1300\n[Peer]\nPublicKey = x\n');
    await expect(host.reload()).rejects.toThrow(/weft\.conf:8: invalid PublicKey/);
    host.configure(`[Interface]\nMTU = 1300\n[Peer]\nPublicKey = ${host.status.publicKey}\n`);
    await expect(host.reload()).rejects.toThrow(/weft\.conf:7: .* is this node's own/);
    expect(host.status.mtu).toBe(1420);
    host.configure('[Interface]\nMTU = 1300\nDevice = other\n');
    await expect(host.reload()).rejects.toThrow('Device changes with a restart only');
    host.configure('');
    const mesh = host.store.readMesh() as MeshFile;
    host.store.writeMesh({ ...mesh, v4Prefix: null });
    await expect(host.reload()).rejects.toThrow('the mesh changes with a restart only');
    host.store.writeMesh(mesh);
    host.configure('[Interface]\nMTU = 1300\n');
    expect(await host.reload()).toEqual({ changes: ['mtu'] });
    expect(host.ip.at(-1)).toBe('link set dev weft0 mtu 1300 up');
  });

  test('a damaged file of the authority changes nothing in a reload', async () => {
    const host = new Host(1);
    host.store.createSeed('authority', false);
    await host.start();
    const before = host.node?.trust;
    host.store.writeBytes('invites', Uint8Array.of(1));
    host.configure('[Interface]\nMTU = 1300\nListenPort = 7\n');
    await expect(host.reload()).rejects.toThrow('invites');
    expect(host.status).toMatchObject({ mtu: 1420, listenPort: 51820 });
    expect(host.node?.trust).toBe(before);
    rmSync(host.store.path('invites'));
    expect(await host.reload()).toEqual({ changes: ['port', 'mtu'] });
  });

  test('what the host refuses in a reload is said, and all else is in force', async () => {
    const host = new Host(1);
    await host.start();
    host.refuses = ' mtu 1300';
    host.configure('[Interface]\nMTU = 1300\nListenPort = 7\n');
    await expect(host.reload()).rejects.toThrow('all else is in force, but the host refused: no');
    expect(host.status).toMatchObject({ listenPort: 7 });
    host.refuses = null;
    await host.reload();
    expect(host.ip).toContain('link set dev weft0 mtu 1300 up');
  });

  test('reloads one after the other', async () => {
    const host = new Host(1);
    await host.start();
    host.configure('[Interface]\nMTU = 1300\n');
    const first = host.node?.reload();
    const second = host.node?.reload();
    expect(await whileTimePasses(Promise.all([first, second]))).toEqual([
      { changes: ['mtu'] },
      { changes: [] },
    ]);
  });

  test('a port in use stops the start, and changes nothing in a reload', async () => {
    const host = new Host(1);
    await host.start();
    const taken = new Host(1 + 200);
    const socket = { addresses: [Uint8Array.of(192, 0, 2, 1)], port: 7, receive: () => {} };
    network.bind(socket);
    host.configure('[Interface]\nListenPort = 7\nMTU = 1300\n');
    await expect(host.reload()).rejects.toThrow('ListenPort 7');
    expect(host.status).toMatchObject({ listenPort: 51820, mtu: 1420 });
    network.bind({ ...socket, addresses: [Uint8Array.of(192, 0, 2, 201)], port: 51820 });
    await expect(taken.start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  test('gives no invite that could not be saved', async () => {
    const host = new Host(1);
    host.store.createSeed('authority', false);
    const node = await host.start();
    const request = { lifetimeSeconds: 60, uses: 1, certificateLifetimeSeconds: 60 };
    expect(node.issueInvite(request)).toMatch(/^weft1:/);
    rmSync(host.store.path('invites'));
    mkdirSync(host.store.path('invites'));
    expect(() => node.issueInvite(request)).toThrow(/cannot write .*invites/);
    rmSync(host.store.path('invites'), { recursive: true });
    expect(node.issueInvite(request)).toMatch(/^weft1:/);
  });

  test('damaged state stops the start', async () => {
    const host = new Host(1);
    writeFileSync(host.store.path('members'), 'nonsense', { mode: 0o600 });
    await expect(host.start()).rejects.toThrow(/members is damaged/);
    expect(readFileSync(host.store.path('members'), 'utf8')).toBe('nonsense');
  });
});

describe('bonds', () => {
  /** n1 has two uplinks, n2 one. */
  async function bonded(more = ''): Promise<[Host, Host]> {
    const [a, b] = [new Host(1), new Host(2)];
    a.uplinks = ['192.0.2.1', '198.51.100.1'];
    b.uplinks = ['192.0.2.2'];
    b.configure(more);
    a.trust(b);
    b.trust(a);
    await a.start();
    await b.start();
    await advance(3_000);
    return [a, b];
  }

  function waysOf(host: Host): string[] {
    const [report] = host.node?.bonds.reports() ?? [];
    return (report?.paths ?? []).map(({ uplink, remote }) => `${uplink}>${remote}`);
  }

  test('are made by both ends as soon as one has a second uplink', async () => {
    const [a, b] = await bonded();
    expect(waysOf(a)).toEqual(['up0>192.0.2.2:51820', 'up1>192.0.2.2:51820']);
    expect(waysOf(b).sort()).toEqual(['up0>192.0.2.1:51820', 'up0>198.51.100.1:51820']);
    expect(a.status.uplinks.map(({ name }) => name)).toEqual(['up0', 'up1']);
    expect(a.status.members[0]?.bond).toMatchObject({ mode: 'aggregate', active: 0, paths: 2 });
    const { dataPlane } = a.node?.node.driver ?? {};
    expect((dataPlane as FakeDataPlane).bondPolicies.size).toBe(1);
  });

  test('follow the uplinks: one is unplugged, and plugged in again', async () => {
    const [a, b] = await bonded();
    a.uplinks = ['192.0.2.1'];
    a.networkChanged();
    await advance(3_000);
    expect([waysOf(a), waysOf(b)]).toEqual([['up0>192.0.2.2:51820'], ['up0>192.0.2.1:51820']]);
    a.uplinks = ['192.0.2.1', '198.51.100.1'];
    a.networkChanged();
    await advance(3_000);
    expect([waysOf(a).length, waysOf(b).length]).toEqual([2, 2]);
  });

  test('an uplink that is configured and not there is said', async () => {
    const [a] = await bonded();
    a.configure('[Uplink]\nInterface = up0\n[Uplink]\nInterface = up9\n');
    await a.reload();
    expect(a.status.warnings.join()).toMatch(/^the uplink up9 of weft.conf is not there/);
    a.configure('[Uplink]\nInterface = up0\n[Uplink]\nInterface = up9\nRole = off\n');
    await a.reload();
    expect(a.status.warnings).toEqual([]);
  });

  test('are not made with a member that has Bond = off, until it is reloaded with on', async () => {
    const [a, b] = await bonded('[Interface]\nBond = off\n');
    expect(waysOf(a)).toEqual([]);
    const [id] = [...(a.node?.mesh.members() ?? [])].map((member) => member.id);
    expect(id && a.node?.bonds.whyNot(id)).toContain('does not offer bonds');
    b.configure('');
    expect(await b.reload()).toEqual({ changes: ['bond'] });
    await advance(3_000);
    expect(waysOf(a)).toHaveLength(2);
  });

  test('are nothing to a plain peer', async () => {
    const [a] = await bonded();
    const key = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
    a.configure(`[Peer]\nPublicKey = ${key}\nEndpoint = 192.0.2.9:1\nAllowedIPs = 10.86.9.9/32\n`);
    await a.reload();
    await advance(3_000);
    const { device, dataPlane } = a.node?.node.driver ?? {};
    const peers = [...(device?.peers() ?? [])];
    expect(peers).toHaveLength(2);
    const bonds = peers.map(({ id }) => dataPlane?.bondStatus(id) ?? null);
    expect(bonds.filter((bond) => bond !== null)).toHaveLength(1);
  });
});
