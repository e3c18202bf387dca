// The weft command as its users see it: what it prints, leaves behind and answers with, each command on its own.
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect } from 'vitest';
import { decodeCertificate } from '../../src/mesh/certificate.js';
import type { LogLine } from '../../src/node/mesh-log.js';
import { StateStore } from '../../src/node/state-store.js';
import type { MemberStatus } from '../../src/node/status.js';
import { test } from './harness.js';
import { MeshHost, meshOf } from './mesh-host.js';
import { pause, until } from './process.js';
import { expectPing, ping } from './traffic.js';

function edit(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, 'utf8')));
}

describe('init', () => {
  test('makes a mesh once, with private files', async ({ net }) => {
    const [host] = (await MeshHost.create(net, 1)) as [MeshHost];
    expect(await host.init()).toContain('first node of a new mesh');
    expect(statSync(host.file('state')).mode & 0o777).toBe(0o700);
    for (const name of ['identity.key', 'authority.key', 'mesh.json']) {
      expect(statSync(host.file(`state/${name}`)).mode & 0o777).toBe(0o600);
    }
    const identity = readFileSync(host.file('state/identity.key'), 'utf8');
    const again = await host.try(['init', '--name', 'n1']);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/^weft: .*--force.*\n$/);
    expect(readFileSync(host.file('state/identity.key'), 'utf8')).toBe(identity);
    await host.init('--force');
    expect(readFileSync(host.file('state/identity.key'), 'utf8')).not.toBe(identity);
  });

  test('refuses a prefix that the host reaches directly', async ({ net }) => {
    const [host] = (await MeshHost.create(net, 1)) as [MeshHost];
    const done = await host.try(['init', '--prefix', '10.99.0.0/16']);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain('10.99.0.0/16 overlaps 10.99.0.0/24 on eth0');
    expect(done.stderr).toContain('--prefix');
    expect(existsSync(host.file('state/mesh.json'))).toBe(false);
  });
});

describe('up and down', () => {
  test('in the background, with wg and systemd’s view of it', async ({ net }) => {
    const [host] = (await MeshHost.create(net, 1)) as [MeshHost];
    await host.init();
    expect(await host.weft(['up', '-d'])).toBe(`${host.device} is up\n`);
    const [link] = JSON.parse(await host.namespace.ip(`-j addr show ${host.device}`));
    expect(link.mtu).toBe(1420);
    expect(link.flags).toContain('UP');
    const { addresses } = await host.status();
    const locals = link.addr_info.map((info: { local: string }) => info.local);
    expect(locals).toEqual(expect.arrayContaining([...addresses]));
    const show = await host.namespace.check(['wg', 'show', host.device, 'listen-port']);
    expect(show.trim()).toBe('51820');
    expect(await host.weft(['down'])).toBe(`${host.device} is down\n`);
    expect((await host.namespace.run(['ip', 'link', 'show', host.device])).code).toBe(1);
    expect(existsSync(host.file(`run/${host.device}.sock`))).toBe(false);
  });

  test('a second one is refused; SIGTERM ends the first in order', async ({ net }) => {
    const [host] = (await MeshHost.create(net, 1)) as [MeshHost];
    await host.init();
    await host.up();
    const again = await host.try(['up']);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('is up already');
    host.process?.signal('SIGTERM');
    expect(await host.process?.exited()).toBe(0);
    expect((await host.try(['status'])).code).toBe(3);
  });

  test('one node a state directory, whatever its interface is called', async ({ net }) => {
    const [host] = (await MeshHost.create(net, 1)) as [MeshHost];
    await host.init();
    await host.weft(['up', '-d']);
    const other = host.file('other.conf');
    const text = readFileSync(host.file('weft.conf'), 'utf8');
    writeFileSync(other, text.replace(host.device, `${host.device}x`).replace('51820', '51821'));
    for (const args of [
      ['up', '--config', other],
      ['init', '--force', '--name', 'n1'],
    ]) {
      const again = await host.try(args);
      expect(again.code).toBe(1);
      expect(again.stderr).toMatch(/state is in use by process \d+: end it with weft down/);
    }
    await host.weft(['down']);
    await host.init('--force');
  });

  test('the engine is chosen as for weft-wg', async ({ net }) => {
    const [host] = (await MeshHost.create(net, 1)) as [MeshHost];
    await host.init();
    for (const args of [['up'], ['up', '-d']]) {
      const done = await host.try(args, { env: { WEFT_ENGINE: 'fast' } });
      expect(done.code).toBe(1);
      expect(done.stderr).toContain("WEFT_ENGINE is 'fast': use auto, single, workers, multiqueue");
    }
    await host.weft(['up', '-d'], { env: { WEFT_ENGINE: 'workers', WEFT_WORKERS: '3' } });
    const pid = readFileSync(host.file('state/lock'), 'utf8').trim();
    const threads = readdirSync(`/proc/${pid}/task`).map((task) =>
      readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').trim(),
    );
    expect(threads.filter((name) => name.startsWith('weft'))).toHaveLength(3);
    await host.weft(['down']);
  });

  test('says what is wrong, with file, line and remedy, before anything changes', async ({
    net,
  }) => {
    const [host] = (await MeshHost.create(net, 1)) as [MeshHost];
    const none = await host.try(['up']);
    expect(none.code).toBe(1);
    expect(none.stderr).toMatch(/weft init.*weft join/);
    await host.init();
    edit(host.file('weft.conf'), (text) => text.replace('[Mesh]', 'DNS = 1.1.1.1\n[Mesh]'));
    for (const args of [['up'], ['up', '-d']]) {
      const done = await host.try(args);
      expect(done.code).toBe(1);
      expect(done.stderr).toMatch(/weft\.conf:\d+: DNS is not used by weft: .*remove the line/);
    }
    edit(host.file('weft.conf'), (text) => text.replace('DNS = 1.1.1.1\n', ''));
    chmodSync(host.file('state/identity.key'), 0o644);
    expect((await host.try(['up'])).stderr).toContain('chmod 600');
    chmodSync(host.file('state/identity.key'), 0o600);
    rmSync(host.file('state/trusted.d'), { recursive: true });
    expect((await host.try(['up'])).stderr).toContain('no trust without it');
    expect((await host.namespace.run(['ip', 'link', 'show', host.device])).code).toBe(1);
  });

  test('a port in use is said, and nothing stays', async ({ net }) => {
    const [host] = (await MeshHost.create(net, 1)) as [MeshHost];
    await host.init();
    net.spawn(host.namespace, ['node', '-e', "require('dgram').createSocket('udp4').bind(51820)"]);
    await until('the port is taken', async () => {
      const listing = await host.namespace.check(['ss', '-ulnH', 'sport = 51820']);
      return listing !== '';
    });
    const done = await host.try(['up', '-d']);
    expect(done.code).toBe(1);
    expect(done.stderr).toMatch(/51820|address in use|EADDRINUSE/i);
    expect((await host.namespace.run(['ip', 'link', 'show', host.device])).code).toBe(1);
  });
});

describe('exit statuses', () => {
  test('2 for a wrong command line, 3 where no node runs, one line each', async ({ net }) => {
    const [host] = (await MeshHost.create(net, 1)) as [MeshHost];
    for (const args of [
      ['nonsense'],
      ['up', '--nonsense'],
      ['ping'],
      ['trust'],
      ['ping', 'a', 'b'],
      ['trust', 'rm'],
      ['trust', 'ls', 'x'],
      ['trust', 'add', host.file('none'), 'x'],
      ['authority', 'ls', 'x'],
      ['invite', '--uses', '1025'],
      ['invite', '--endpoint', 'here'],
      ['--json', 'status'],
    ]) {
      const done = await host.try(args);
      expect(done.code, args.join(' ')).toBe(2);
      expect(done.stderr).toMatch(/^weft: [^\n]+\n$/);
    }
    expect((await host.try([])).code).toBe(2);
    expect((await host.try(['status'])).stderr).toMatch(/no .*weft\.conf: .*weft init.*weft join/);
    for (const args of [
      ['trust', 'add', '/none'],
      ['join', '/none', '--name', 'n1'],
    ]) {
      const done = await host.try(args);
      expect(done.code).toBe(1);
      expect(done.stderr).toMatch(/^weft: there is no file \/none: .*standard input\n$/);
    }
    for (const args of [['status'], ['down'], ['reload'], ['log'], ['invite'], ['ping', 'x']]) {
      expect((await host.try(args)).code, args.join(' ')).toBe(3);
    }
    expect((await host.try(['--help'])).stdout).toContain('weft init');
    expect((await host.try(['--version'])).stdout).toMatch(/^weft \d/);
  });

  test('every command explains itself', async ({ net }) => {
    const [host] = (await MeshHost.create(net, 1)) as [MeshHost];
    const overview = (await host.try(['--help'])).stdout;
    const names = [...overview.matchAll(/^ {2}([a-z]+) {2}/gm)].map(([, name = '']) => name);
    expect(names.length).toBeGreaterThan(14);
    const completion = await host.weft(['completion', 'bash']);
    for (const name of names.filter((each) => each !== 'host')) {
      const help = await host.weft([name, '--help']);
      expect(help).toContain(`Usage: weft ${name}`);
      expect(completion).toContain(name);
    }
    await host.namespace.check(['bash', '-n'], { input: completion });
    for (const shell of ['zsh', 'fish'])
      expect(await host.weft(['completion', shell])).toContain('weft');
  });
});

describe('join', () => {
  test('by an invite: members see each other, and packets flow', async ({ net }) => {
    const hosts = await MeshHost.create(net, 3);
    const [a, b, c] = hosts as [MeshHost, MeshHost, MeshHost];
    await meshOf(hosts);
    for (const host of hosts) await host.sees(2);
    for (const family of [4, 6] as const) {
      await expectPing(b.namespace, await c.address(family), { count: 2 });
      await expectPing(c.namespace, await a.address(family), { count: 2 });
    }
    const status = await b.weft(['status']);
    expect(status).toMatch(/^n1 +10\.86\.\d+\.\d+ +direct +(10\.99\.0\.1|\[fd00:99::1\]):51820/m);
    const member = await b.json<MemberStatus>(['status', 'n3']);
    expect(member).toMatchObject({ name: 'n3', state: 'alive', trustedBy: 'certificate' });
    expect(member.handshakeAgoSeconds).not.toBeNull();
    expect((await b.try(['status', 'nobody'])).code).toBe(1);
  });

  test('within two seconds to the first ping', async ({ net }) => {
    const [a, b] = (await MeshHost.create(net, 2)) as [MeshHost, MeshHost];
    await a.init();
    await a.up();
    const [token, address] = [await a.invite(), await a.address()];
    const began = performance.now();
    await b.join(token);
    await b.weft(['up', '-d']);
    expect((await ping(b.namespace, address, { waitS: 5 })).received).toBe(1);
    // the figure is the report's; here a hang must fail, not a busy machine
    console.log(`join by invite to first ping: ${Math.round(performance.now() - began)} ms`);
    await b.weft(['down']);
  });

  test('an invite is good once, also after the issuer was killed', async ({ net }) => {
    const [a, b, c] = (await MeshHost.create(net, 3)) as [MeshHost, MeshHost, MeshHost];
    await a.init();
    await a.up();
    const token = await a.invite();
    await b.join(token);
    a.process?.signal('SIGKILL');
    await a.process?.exited();
    await a.up();
    const refused = await c.try(['join', '-', '--name', 'n3'], { input: token });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('used already');
    expect(existsSync(c.file('state/mesh.json'))).toBe(false);
    const invites = await a.json<{ usesLeft: number; joiners: { name: string }[] }[]>([
      'invite',
      '--list',
    ]);
    expect(invites).toMatchObject([{ usesLeft: 0, joiners: [{ name: 'n2' }] }]);
  });

  test('refuses bad pastes, expired and cancelled invites, taken names', async ({ net }) => {
    const [a, b] = (await MeshHost.create(net, 2)) as [MeshHost, MeshHost];
    await a.init();
    await a.up();
    const token = await a.invite();
    const attempt = async (input: string, ...args: string[]) => {
      const done = await b.try(['join', '-', '--name', 'n2', ...args], { input });
      expect(done.code).toBe(1);
      return done.stderr;
    };
    expect(await attempt(token.slice(0, -9))).toContain('damaged or cut off');
    expect(await attempt('hello')).toContain('no invite');
    expect(await attempt('')).toContain('No invite given');
    const argument = await b.try(['join', token]);
    expect(argument.code).toBe(2);
    expect(argument.stderr).toContain('standard input');
    const taken = await b.try(['join', '-', '--name', 'n1'], { input: token });
    expect(taken.stderr).toContain('has this name');
    const named = await a.invite('--name', 'other');
    expect(await attempt(named)).toContain('for another name');
    const short = await a.invite('--expires', '1s');
    await pause(2_000);
    expect(await attempt(short)).toContain('expired');
    const [{ id }] = (await a.json<{ id: string }[]>(['invite', '--list'])) as [{ id: string }];
    await a.weft(['invite', '--cancel', id]);
    expect(await attempt(token)).toContain('does not know this invite');
    a.process?.signal('SIGKILL');
    await a.process?.exited();
    const silence = await attempt(named, '--timeout', '3s');
    expect(silence).toMatch(/^no answer yet from .*51820.*: asking for 3s in all\n/);
    expect(silence).toContain(`did not answer at ${a.outer4}:51820`);
  });
});

describe('a running mesh', () => {
  test('reload applies all or nothing', async ({ net }) => {
    const [a] = (await MeshHost.create(net, 1)) as [MeshHost];
    await a.init('--route', '192.168.7.0/24');
    await a.up();
    const conf = a.file('weft.conf');
    expect(await a.weft(['reload'])).toBe('nothing has changed\n');
    edit(conf, (text) =>
      text
        .replace('#MTU = 1420', 'MTU = 1380')
        .replace(/^#Route = .*$/m, 'Route = 192.168.7.0/24')
        .replace('ListenPort = 51820', 'ListenPort = 51821'),
    );
    expect(await a.weft(['reload'])).toBe('applied: port, mtu, routes\n');
    const [link] = JSON.parse(await a.namespace.ip(`-j link show ${a.device}`));
    expect(link.mtu).toBe(1380);
    expect(await a.status()).toMatchObject({ listenPort: 51821, routes: ['192.168.7.0/24'] });

    edit(conf, (text) => `${text.replace('MTU = 1380', 'MTU = 1400')}\n[Peer]\nPublicKey = x\n`);
    const broken = await a.try(['reload']);
    expect(broken.code).toBe(1);
    expect(broken.stderr).toMatch(/weft\.conf:\d+: invalid PublicKey: give/);
    expect((await a.status()).mtu).toBe(1380);
    edit(conf, (text) =>
      text
        .replace(/\n\[Peer\]\nPublicKey = x\n/, '')
        .replace('Route = 192.168.7', 'Route = 192.168.8'),
    );
    const uncertified = await a.try(['reload']);
    expect(uncertified.stderr).toContain("192.168.8.0/24 is not in this node's certificate");
    edit(conf, (text) => text.replace('192.168.8', '192.168.7').replace('Name = n1', '#Name = n1'));
    a.process?.signal('SIGHUP');
    await until('the MTU is applied', async () => (await a.status()).mtu === 1400);
  });

  test('ping tells who answers and who does not', async ({ net }) => {
    const hosts = await MeshHost.create(net, 2);
    const [a, b] = hosts as [MeshHost, MeshHost];
    await meshOf(hosts);
    await a.sees(1);
    const answered = await a.weft(['ping', 'n2', '-c', '2', '--interval', '10']);
    expect(answered).toMatch(/^1: n2 via \S+:51820 \(direct\) [\d.]+ms\n2: /);
    expect(answered).toContain('2 sent, 2 received');
    const { addresses } = await b.status();
    for (const address of addresses) await a.weft(['ping', address, '-c', '1']);
    b.process?.signal('SIGKILL');
    const silent = await a.try(['ping', 'n2', '-c', '1']);
    expect(silent.code).toBe(1);
    expect(silent.stdout).toContain('no answer from n2');
  });

  test('show, with and without a running node', async ({ net }) => {
    const [a] = (await MeshHost.create(net, 1)) as [MeshHost];
    await a.init();
    const before = await a.json<{ id: string; addresses: string[]; running: boolean }>(['show']);
    expect(before).toMatchObject({ name: 'n1', running: false });
    await a.up();
    const after = await a.json<{ id: string; addresses: string[] }>(['show']);
    expect(after).toEqual({ ...before, running: true });
    const dump = await a.weft(['show', 'dump']);
    expect(dump).toBe(await a.namespace.check(['wg', 'show', a.device, 'dump']));
    expect((await a.status()).id).toBe(before.id);
  });

  test('log keeps and follows', async ({ net }) => {
    const hosts = await MeshHost.create(net, 2);
    const [a, b] = hosts as [MeshHost, MeshHost];
    await a.init();
    await a.up();
    const follower = net.spawn(a.namespace, ['bin/weft', 'log', '-f', '-n', '0', '--json'], a.env);
    await pause(1_000);
    await b.join(await a.invite());
    await b.up();
    await until('the follower saw the join', () => follower.output.includes('member joined'));
    const lines = (await a.weft(['log', '--json'])).trim().split('\n');
    const messages = lines.map((line) => (JSON.parse(line) as LogLine).message);
    expect(messages).toEqual(
      expect.arrayContaining(['up', 'an invite was redeemed', 'member joined']),
    );
    expect(await a.weft(['log', '-n', '1'])).toMatch(/^[^\n]+\n$/);
  });

  test('bugreport has the facts and no secrets', async ({ net }) => {
    const hosts = await MeshHost.create(net, 2);
    const [a] = hosts as [MeshHost, MeshHost];
    await meshOf(hosts);
    await a.weft(['export', 'phone']);
    const report = await a.weft(['bugreport']);
    for (const word of ['weft.conf', '"members"', 'channel-', 'mtu 1420', 'member joined']) {
      expect(report).toContain(word);
    }
    const dump = (await a.weft(['show', 'dump'])).split(/\s/);
    const { meshKey } = JSON.parse(readFileSync(a.file('state/mesh.json'), 'utf8'));
    const preshared = /PresharedKey = (\S+)/.exec(readFileSync(a.file('weft.conf'), 'utf8'))?.[1];
    const identity = readFileSync(a.file('state/identity.key'), 'utf8').trim();
    for (const secret of [dump[0], meshKey, preshared, identity]) {
      expect(report).not.toContain(secret);
    }
    const redacted = await a.weft(['bugreport', '--redact']);
    expect(redacted).not.toContain('10.99.0.');
    expect(redacted).not.toContain((await a.status()).id);
  });
});

describe('trust', () => {
  test('by key, both ways; taken back at once', async ({ net }) => {
    const [a, b] = (await MeshHost.create(net, 2)) as [MeshHost, MeshHost];
    await a.init('--no-authority');
    await b.init('--no-authority', '--mesh', a.file('state/mesh.json'));
    edit(b.file('weft.conf'), (text) => text.replace(/^#Seed = .*$/m, `Seed = ${a.outer4}:51820`));
    const line = async (host: MeshHost) =>
      (await host.json<{ trustLine: string }>(['show'])).trustLine;
    await b.weft(['trust', 'add', '-'], { input: await line(a) });
    await a.up();
    await b.up();
    await pause(2_000);
    expect((await b.status()).members).toEqual([]);
    await a.weft(['trust', 'add', ...(await line(b)).split(' ')]);
    await a.sees(1);
    await b.sees(1);
    await expectPing(a.namespace, await b.address());
    expect(await a.weft(['trust', 'ls'])).toMatch(/n2 +node +n2 +[0-9a-f]{64}/);
    await a.weft(['trust', 'rm', 'n2']);
    await until('its peer is gone', async () => (await a.status()).members.length === 0);
    expect(await a.namespace.check(['wg', 'show', a.device, 'peers'])).toBe('');
  });

  test('refuses what is no key', async ({ net }) => {
    const [a] = (await MeshHost.create(net, 1)) as [MeshHost];
    await a.init();
    const done = await a.try(['trust', 'add', '-'], { input: 'node nonsense\n' });
    expect(done.code).toBe(1);
    expect(done.stderr).toContain('standard input:1');
    expect((await a.try(['trust', 'rm', 'nobody'])).code).toBe(1);
  });
});

describe('authority', () => {
  test('certifies a node by hand, and revokes it everywhere', async ({ net }) => {
    const hosts = await MeshHost.create(net, 3);
    const [a, b, c] = hosts as [MeshHost, MeshHost, MeshHost];
    await meshOf([a, b]);
    await c.init('--no-authority', '--mesh', a.file('state/mesh.json'));
    const { id } = await c.json<{ id: string }>(['show']);
    const [{ id: authority }] = (await a.status()).trust.authorities as unknown as [{ id: string }];
    const certificate = await a.weft([
      ...['authority', 'sign', id, '--name', 'n3', '--group', 'lab', '--address', '10.86.0.33'],
    ]);
    await c.weft(['authority', 'install', '-'], { input: certificate });
    await c.weft(['trust', 'add', 'authority', authority]);
    await a.weft(['authority', 'ls']);
    edit(c.file('weft.conf'), (text) => text.replace(/^#Seed = .*$/m, `Seed = ${a.outer4}:51820`));
    // who knows no member by name needs the key of one to speak to
    const show = await a.json<{ trustLine: string }>(['show']);
    await c.weft(['trust', 'add', '-'], { input: show.trustLine });
    await c.up();
    for (const host of hosts) await host.sees(2);
    expect(await c.address()).toBe('10.86.0.33');
    await expectPing(b.namespace, '10.86.0.33');

    expect(await a.weft(['authority', 'revoke', 'n3', '--reason', 'lost'])).toContain('is revoked');
    for (const host of [a, b]) {
      await until('it is gone', async () => (await host.status()).members.length === 1);
    }
    expect((await ping(b.namespace, '10.86.0.33', { waitS: 1 })).received).toBe(0);
    expect(await a.weft(['authority', 'ls'])).toMatch(/^n3 .* revoked$/m);
    const signed = await a.try(['authority', 'sign', id, '--name', 'n3']);
    expect(signed.stderr).toMatch(/was revoked.*remove identity\.key/);
    const input = await a.invite();
    await c.weft(['down']);
    const refused = await c.try(['join', '-', '--force', '--name', 'n3'], { input });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/revoked.*remove identity\.key/);
    b.process?.signal('SIGKILL');
    await b.process?.exited();
    await b.up();
    await b.sees(1);
    expect((await b.status()).members.map(({ name }) => name)).toEqual(['n1']);
  });

  test('renews what was certified, by invite too, while the node runs', async ({ net }) => {
    const hosts = await MeshHost.create(net, 2);
    const [a, b] = hosts as [MeshHost, MeshHost];
    await a.init();
    await a.up();
    await b.join(await a.invite('--group', 'lab', '--lifetime', '20d'));
    await b.up();
    expect((await b.status()).warnings.join()).toMatch(/ends in (19|20) days/);
    const before = decodeCertificate(new StateStore(b.file('state')).readCertificate());
    const certificate = await a.weft(['authority', 'renew', 'n2', '--lifetime', '100d']);
    expect((await b.try(['authority', 'install', '-'], { input: certificate })).stdout).toContain(
      'certificate of n2, valid until',
    );
    const after = decodeCertificate(new StateStore(b.file('state')).readCertificate());
    expect(after?.notBefore).toBe(before?.notBefore);
    const { warnings, trust } = await b.status();
    expect(warnings).toEqual([]);
    expect(trust.certificate).toMatchObject({ groups: ['lab'] });
    expect([99, 100]).toContain(trust.certificate?.expiresInDays);
    const known = async () => (await a.status()).members[0]?.expiresInDays ?? 0;
    await until('the other knows', async () => (await known()) >= 99);
    expect((await a.try(['authority', 'renew', 'nobody'])).stderr).toContain('nothing was signed');
  });

  test('lets another node invite, within its scope', async ({ net }) => {
    const hosts = await MeshHost.create(net, 3);
    const [a, b, c] = hosts as [MeshHost, MeshHost, MeshHost];
    await meshOf([a, b]);
    const { id } = await b.status();
    expect((await b.try(['invite'])).stderr).toContain('cannot sign');
    const certificate = await a.weft([
      'authority',
      'sign',
      id,
      '--name',
      'n2',
      '--can-issue',
      'n*',
    ]);
    await b.weft(['authority', 'install', '-'], { input: certificate });
    const outside = await b.try(['invite', '--name', 'x']);
    expect(outside.stderr).toContain('scope');
    await c.join(await b.invite('--name', 'n3'));
    await c.up();
    for (const host of hosts) await host.sees(2);
  });
});

describe('export', () => {
  test('lets a plain WireGuard device reach every member', async ({ net }) => {
    const hosts = await MeshHost.create(net, 3);
    const [a, b, phone] = hosts as [MeshHost, MeshHost, MeshHost];
    await meshOf([a, b]);
    await a.sees(1);
    await a.namespace.sysctl('ipv4/ip_forward', 1);
    const conf = await a.weft(['export', 'phone', '--conf']);
    expect((await a.try(['export', 'phone'])).stderr).toContain('there is a peer phone');
    expect(await a.weft(['export', 'tablet', '--qr'])).toMatch(/^█{40}/);
    const address = /Address = ([\d.]+)\/32/.exec(conf)?.[1] ?? '';
    expect(conf).toContain('Endpoint = 10.99.0.1:51820');

    const { WireGuardNode } = await import('./wireguard-node.js');
    const node = await WireGuardNode.start(net, phone.namespace);
    await node.setConfiguration(conf.replace(/^Address.*$/m, ''));
    await node.up(`${address}/32`);
    await phone.namespace.ip(`route add 10.86.0.0/16 dev ${node.interfaceName}`);
    await expectPing(phone.namespace, await a.address(), { count: 2 });
    await until(
      'the other member has learnt the way',
      async () => (await ping(phone.namespace, await b.address(), { waitS: 1 })).received === 1,
    );
    await expectPing(b.namespace, address, { count: 2 });
    expect(await a.weft(['status'])).toMatch(/^phone +[\d./]+ +wg-peer +10\.99\.0\.3:/m);
  });
});

test('a node goes on without its control socket', async ({ net }) => {
  const hosts = await MeshHost.create(net, 2);
  const [a, b] = hosts as [MeshHost, MeshHost];
  await meshOf(hosts);
  const address = await b.address();
  await a.sees(1);
  unlinkSync(a.file(`run/${a.device}.sock`));
  expect((await a.try(['status'])).code).toBe(3);
  await expectPing(a.namespace, address, { count: 2 });
});
