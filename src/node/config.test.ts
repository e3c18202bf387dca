import { describe, expect, test } from 'vitest';
import { formatPrefix } from '../core/address.js';
import {
  type Config,
  configTemplate,
  formatPeerBlock,
  parseConfig,
  parseHostPort,
} from './config.js';

const KEY = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
const OTHER_KEY = 'TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=';

function parse(text: string): Config {
  return parseConfig(text, 'weft.conf');
}

describe('a configuration', () => {
  test('may be empty', () => {
    const config = parse('');
    expect(config).toMatchObject({ device: 'weft0', listenPort: 51820, mtu: 1420, name: null });
    expect(config.peers).toEqual([]);
    expect(config.acceptRoutes).toBe(true);
  });

  test('has every key in any case, with comments', () => {
    const config = parse(`
      [interface]
      DEVICE = mesh1   # a comment
      listenport=5000
      MTU = 1380
      FwMark = 0xca6c
      LogLevel = debug
      [Mesh]
      Name = fra1
      Seed = ams2.example.com:51820, 192.0.2.7:1
      Seed = [2001:db8::7]:51820
      Announce = 203.0.113.7:51820
      Route = 192.168.7.0/24, fd07::/64
      AcceptRoutes = no`);
    expect(config).toMatchObject({
      device: 'mesh1',
      listenPort: 5000,
      mtu: 1380,
      firewallMark: 0xca6c,
      logLevel: 'debug',
      name: 'fra1',
      acceptRoutes: false,
    });
    expect(config.seeds).toEqual([
      { host: 'ams2.example.com', port: 51820 },
      { host: '192.0.2.7', port: 1 },
      { host: '2001:db8::7', port: 51820 },
    ]);
    expect(config.announce).toHaveLength(1);
    expect(config.routes.map(formatPrefix)).toEqual(['192.168.7.0/24', 'fd07::/64']);
  });

  test('takes a [Peer] block as wg-quick has it', () => {
    const block = `[Peer]
Name = phone
PublicKey = ${KEY}
PresharedKey = ${OTHER_KEY}
Endpoint = phone.example.com:1234
AllowedIPs = 10.86.200.1/32, fd00::1/128
PersistentKeepalive = 25
`;
    const [peer] = parse(block).peers;
    expect(peer).toMatchObject({ name: 'phone', persistentKeepalive: 25 });
    expect(peer && formatPeerBlock(peer)).toBe(block);
  });

  test('takes addresses without a length, off, and several blocks', () => {
    const { peers } = parse(
      `[Peer]\nPublicKey=${KEY}\nAllowedIPs=10.0.0.1\nPersistentKeepalive=off\n[Peer]\nPublicKey=${OTHER_KEY}\n`,
    );
    expect(peers.map((peer) => peer.allowedIps.map(formatPrefix))).toEqual([['10.0.0.1/32'], []]);
  });

  test.each([
    ['[Interface]\nListenPorts = 1', 2, "unknown key 'ListenPorts' in [Interface]"],
    ['[Interface]\n\nSeed = a:1', 3, 'it belongs to [Mesh]'],
    ['[Interface]\nPrivateKey = x', 2, 'its identity'],
    ['[Interface]\nPostUp = iptables', 2, 'ExecStartPost'],
    ['[Interface]\nListenPort = 0', 2, 'give a port from 1 to 65535'],
    ['[Interface]\nMTU = 1279', 2, '1280 to 65535'],
    ['[Interface]\nListenPort = 1\nListenPort = 2', 3, 'a second ListenPort'],
    ['[Interface]\nDevice = ../x', 2, 'interface name'],
    ['[Interface]\n[Interface]', 2, 'a second [Interface]'],
    ['[Wireguard]', 1, 'unknown section'],
    ['Name = x', 1, 'before the first section'],
    ['[Mesh]\nName', 2, 'no "="'],
    ['[Mesh]\n= x', 2, 'no key before'],
    ['[Mesh]\nName = Fra_1', 2, 'DNS label'],
    ['[Mesh]\nSeed = a', 2, "invalid Seed 'a'"],
    ['[Mesh]\nSeed = 192.0.2.300:1', 2, 'HOST:PORT'],
    ['[Mesh]\nAnnounce = host.example:1', 2, 'no host name'],
    ['[Mesh]\nRoute = 192.168.7.1/24', 2, 'all host bits zero'],
    ['[Mesh]\nAcceptRoutes = maybe', 2, 'yes or no'],
    ['[Mesh]\n[Peer]\nName = x', 2, 'without PublicKey'],
    [`[Peer]\nPublicKey=${KEY}\n[Peer]\nPublicKey=${KEY}`, 3, 'the same PublicKey'],
    [
      `[Peer]\nPublicKey=${KEY}\nAllowedIPs=10.0.0.1\n[Peer]\nPublicKey=${OTHER_KEY}\nAllowedIPs=10.0.0.1/32`,
      4,
      '10.0.0.1/32 belongs to the [Peer] in line 1',
    ],
  ])('%j is refused in line %d', (text, line, message) => {
    expect(() => parse(text)).toThrowError(new RegExp(`^weft\\.conf:${line}: `));
    expect(() => parse(text)).toThrowError(message);
  });

  test('has bonds as they are by default', () => {
    expect(parse('').bond).toEqual({
      enabled: true,
      mode: 'aggregate',
      repair: true,
      rules: [],
      discovery: null,
      uplinks: [],
    });
  });

  test('says how uplinks are used', () => {
    const { bond } = parse(`
      [Interface]
      Bond = on
      BondMode = redundant
      BondRepair = no
      BondClass = latency udp port 5000-5100, bulk dscp CS1
      BondClass = sparse size 200
      Uplinks = auto
      [Uplink]
      Interface = eth0
      Weight = 80
      [Uplink]
      Interface = wwan0
      Role = metered
      Quota = 50GB/month`);
    expect(bond).toMatchObject({ enabled: true, mode: 'redundant', repair: false });
    expect(bond.rules.map((rule) => rule.class)).toEqual(['latency', 'bulk', 'sparse']);
    expect(bond.discovery).toBe('auto');
    expect(bond.uplinks).toEqual([
      { name: 'eth0', role: 'normal', weight: 80, quota: null },
      { name: 'wwan0', role: 'metered', weight: 100, quota: { bytes: 50e9, period: 'month' } },
    ]);
    expect(parse('[Interface]\nBond = off').bond.enabled).toBe(false);
  });

  test.each([
    ['[Uplink]\nRole = backup', 'weft.conf:1: an [Uplink] without Interface: add it'],
    [
      '[Uplink]\nInterface = a\n[Uplink]\nInterface = a',
      'weft.conf:3: a second [Uplink] of a: join the two',
    ],
    ['[Uplink]\nInterface = a\nRole = metered', 'a is metered and has no Quota'],
    ['[Uplink]\nInterface = a\nWeight = 9', "invalid Weight '9': give 10 to 100 per cent"],
    ['[Uplink]\nInterface = a/b', "invalid Interface 'a/b'"],
    ['[Uplink]\nQuota = 5GB', "invalid Quota '5GB': give an amount a day or month"],
    ['[Interface]\nBondClass = fast', "invalid BondClass 'fast': give latency, sparse or bulk"],
    ['[Interface]\nQuota = 5GB/day', 'it belongs to [Uplink]'],
  ])('%j is refused', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });

  test('a key that is no key is not repeated: it may be a secret', () => {
    const secret = 'c2VjcmV0IG9mIHRoZSB3cm9uZyBsZW5ndGg=';
    try {
      parse(`[Peer]\nPresharedKey = ${secret}`);
      expect.unreachable();
    } catch (error) {
      expect(String(error)).toContain('invalid PresharedKey: give');
      expect(String(error)).not.toContain(secret);
    }
  });

  test('the template parses to what it was made from', () => {
    const announce = [{ address: Uint8Array.of(192, 0, 2, 1), port: 7, scopeId: 0 }];
    const text = configTemplate({ device: 'weft7', listenPort: 7, name: 'fra1', announce });
    expect(parse(text)).toMatchObject({ device: 'weft7', listenPort: 7, name: 'fra1', announce });
    const [ours = ''] = text.split('# Plain');
    expect(parse(ours.replaceAll(/^#(?=\w+ = |\[)/gm, ''))).toMatchObject({ mtu: 1420 });
  });
});

test.each(['a', 'a:', 'a:0', 'a:65536', '[::1]', '[a]:1', '::1:1', ':1'])(
  '%j is no place to reach',
  (text) => {
    expect(parseHostPort(text)).toBeNull();
  },
);
