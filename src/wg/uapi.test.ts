import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PeerId, PeerStats, PublicKey } from '../core/types.js';
import type { Peer } from './device.js';
import { formatInterface, formatPeer, parseSetLine, UapiErrno } from './uapi.js';

const noZone = () => null;
const KEY_HEX = '0123456789abcdef'.repeat(4);
const KEY = Uint8Array.from(Buffer.from(KEY_HEX, 'hex'));

function parse(line: string, section: 'device' | 'peer') {
  return parseSetLine(line, section, noZone);
}

describe('a line of a set', () => {
  test.each([
    [`private_key=${KEY_HEX}`, { type: 'private-key', key: KEY }],
    [`private_key=${KEY_HEX.toUpperCase()}`, { type: 'private-key', key: KEY }],
    [`private_key=${'0'.repeat(64)}`, { type: 'private-key', key: null }],
    ['listen_port=0', { type: 'listen-port', port: 0 }],
    ['listen_port=65535', { type: 'listen-port', port: 65535 }],
    ['fwmark=4294967295', { type: 'firewall-mark', mark: 4294967295 }],
    ['replace_peers=true', { type: 'replace-peers' }],
    [`public_key=${KEY_HEX.toUpperCase()}`, { type: 'peer', publicKey: KEY_HEX }],
  ])('of the device: %s', (line, operation) => {
    expect(parse(line, 'device')).toEqual(operation);
  });

  test.each([
    [`public_key=${KEY_HEX}`, { type: 'peer', publicKey: KEY_HEX }],
    ['update_only=true', { type: 'update-only' }],
    ['remove=true', { type: 'remove' }],
    [`preshared_key=${'0'.repeat(64)}`, { type: 'preshared-key', key: new Uint8Array(32) }],
    [
      'endpoint=192.0.2.1:9',
      { type: 'endpoint', endpoint: { address: Uint8Array.of(192, 0, 2, 1), port: 9, scopeId: 0 } },
    ],
    ['persistent_keepalive_interval=65535', { type: 'persistent-keepalive', seconds: 65535 }],
    ['replace_allowed_ips=true', { type: 'replace-allowed-ips' }],
    [
      'allowed_ip=10.1.1.1/8',
      { type: 'add-allowed-ip', prefix: { address: Uint8Array.of(10, 0, 0, 0), length: 8 } },
    ],
    [
      'allowed_ip=-10.0.0.0/8',
      { type: 'remove-allowed-ip', prefix: { address: Uint8Array.of(10, 0, 0, 0), length: 8 } },
    ],
    ['protocol_version=1', { type: 'protocol-version' }],
  ])('of a peer: %s', (line, operation) => {
    expect(parse(line, 'peer')).toEqual(operation);
  });

  test.each([
    'private_key=',
    `private_key=${KEY_HEX}0`,
    `private_key=${KEY_HEX.slice(1)}g`,
    'listen_port=65536',
    'listen_port=-1',
    'listen_port=',
    'listen_port=0x10',
    'fwmark=4294967296',
    'fwmark=0x20',
    'fwmark=off',
    'replace_peers=false',
    'public_key=',
    `public_key=${KEY_HEX}00`,
    'unknown=1',
    '=',
    '=1',
    'errno=0',
    'endpoint=192.0.2.1:9',
    'remove=true',
    'protocol_version=1',
  ])('of the device with errno -22: %s', (line) => {
    expect(parse(line, 'device')).toMatchObject({ type: 'failure', errno: -22 });
  });

  test.each([
    'update_only=1',
    'remove=false',
    'preshared_key=',
    'endpoint=host:9',
    'endpoint=192.0.2.1',
    'persistent_keepalive_interval=65536',
    'persistent_keepalive_interval=off',
    'replace_allowed_ips=',
    'allowed_ip=',
    'allowed_ip=10.0.0.0',
    'allowed_ip=+10.0.0.0/8',
    'allowed_ip=--10.0.0.0/8',
    'protocol_version=2',
    'private_key=',
    'listen_port=1',
    'replace_peers=true',
  ])('of a peer with errno -22: %s', (line) => {
    expect(parse(line, 'peer')).toMatchObject({ type: 'failure', errno: -22 });
  });

  test('without = is a protocol error', () => {
    expect(parse('listen_port', 'device')).toMatchObject({ type: 'failure', errno: -71 });
  });

  test('never throws and never repeats a value in its reason', () => {
    const value = fc.string({ minLength: 5 }).map((text) => `~${text}`); // no word of a reason
    const key = fc.constantFrom(
      'private_key',
      'preshared_key',
      'public_key',
      'endpoint',
      'allowed_ip',
    );
    fc.assert(
      fc.property(
        key,
        value,
        fc.constantFrom('device' as const, 'peer' as const),
        (k, v, section) => {
          const result = parse(`${k}=${v}`, section);
          if (result.type === 'failure') expect(result.reason).not.toContain(v);
        },
      ),
    );
    fc.assert(
      fc.property(fc.string(), (line) => {
        expect(() => parse(line, 'peer')).not.toThrow();
      }),
    );
  });
});

test('errno values are those of wireguard-go', () => {
  expect(UapiErrno).toEqual({
    ok: 0,
    io: -5,
    invalid: -22,
    unknown: -55,
    protocol: -71,
    addressInUse: -98,
  });
});

describe('get', () => {
  test('shows of the interface only what is set', () => {
    expect(formatInterface({ privateKey: null, listenPort: 0, firewallMark: 0 })).toBe('');
    expect(formatInterface({ privateKey: KEY, listenPort: 51820, firewallMark: 32 })).toBe(
      `private_key=${KEY_HEX}\nlisten_port=51820\nfwmark=32\n`,
    );
  });

  const stats = { txBytes: () => 12345678901234567890n, rxBytes: () => 2n } as unknown as PeerStats;
  const peer: Peer = {
    id: 0 as PeerId,
    publicKey: KEY_HEX as PublicKey,
    presharedKey: new Uint8Array(32),
    endpoint: null,
    persistentKeepaliveSeconds: 0,
    lastHandshake: null,
    allowedIps: () => [],
  };

  test('shows a peer that has nothing', () => {
    expect(formatPeer(peer, stats, String)).toBe(
      [
        `public_key=${KEY_HEX}`,
        `preshared_key=${'0'.repeat(64)}`,
        'protocol_version=1',
        'last_handshake_time_sec=0',
        'last_handshake_time_nsec=0',
        'tx_bytes=12345678901234567890',
        'rx_bytes=2',
        'persistent_keepalive_interval=0',
        '',
      ].join('\n'),
    );
  });

  test('shows a peer that has everything', () => {
    const full: Peer = {
      ...peer,
      presharedKey: KEY,
      endpoint: {
        address: Uint8Array.from([0xfe, 0x80, ...new Array(13).fill(0), 1]),
        port: 9,
        scopeId: 4,
      },
      persistentKeepaliveSeconds: 25,
      lastHandshake: { seconds: 1700000000, nanoseconds: 5 },
      allowedIps: () => [
        { address: Uint8Array.of(10, 0, 0, 0), length: 8 },
        { address: new Uint8Array(16), length: 0 },
      ],
    };
    expect(formatPeer(full, stats, (index) => `eth${index}`)).toBe(
      [
        `public_key=${KEY_HEX}`,
        `preshared_key=${KEY_HEX}`,
        'protocol_version=1',
        'endpoint=[fe80::1%eth4]:9',
        'last_handshake_time_sec=1700000000',
        'last_handshake_time_nsec=5',
        'tx_bytes=12345678901234567890',
        'rx_bytes=2',
        'persistent_keepalive_interval=25',
        'allowed_ip=10.0.0.0/8',
        'allowed_ip=::/0',
        '',
      ].join('\n'),
    );
  });
});
