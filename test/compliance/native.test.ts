// The data plane suite on the addon, with real TUN interfaces, once for each engine. It runs in a network namespace of
// its own: the file starts itself again in one, where it finds NAMESPACE_VARIABLE set.

import { execFileSync, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { formatAddress } from '../../src/core/address.js';
import type { EngineOptions } from '../../src/dataplane/engine.js';
import { openNativeDataPlane } from '../../src/dataplane/native.js';
import { dataPlaneSuite } from './dataplane.suite.js';
import { type Rig, Side } from './rig.js';

const NAMESPACE_VARIABLE = 'WEFT_COMPLIANCE_NAMESPACE';
const TUN_DEVICE = '/dev/net/tun';
const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
const PORT = 4000;
const NAMES = ['wcpa', 'wcpb'] as const;
const ENGINES: readonly EngineOptions[] = [
  { kind: 'single', threads: 1 },
  { kind: 'workers', threads: 3 },
  { kind: 'multiqueue', threads: 2 },
  { kind: 'single', threads: 1, ioUring: true },
  { kind: 'workers', threads: 3, ioUring: true },
  { kind: 'multiqueue', threads: 2, ioUring: true },
];

function ip(commands: string): void {
  execFileSync('ip', ['-batch', '-'], { input: commands });
}

/**
 * One namespace holds both inner hosts. What they send to each other must not be delivered locally but through the
 * tunnels, so the rules for that go before the one of the local table.
 */
function prepareNamespace(): void {
  ip(`
    link set lo up
    rule add pref 10 iif ${NAMES[0]} lookup local
    rule add pref 11 iif ${NAMES[1]} lookup local
    rule add pref 20 to 10.9.0.2 lookup 101
    rule add pref 21 to 10.9.0.1 lookup 102
    rule add pref 100 lookup local
    rule del pref 0
  `);
  const settings = {
    'ipv4.conf.all.accept_local': 1,
    'ipv4.conf.all.rp_filter': 0,
    'ipv4.conf.default.rp_filter': 0,
    // no router solicitations among the packets of the tests
    'ipv6.conf.default.disable_ipv6': 1,
  };
  for (const [key, value] of Object.entries(settings)) {
    execFileSync('sysctl', ['-q', '-w', `net.${key}=${value}`]);
  }
}

async function createSide(
  number: 1 | 2,
  engine: EngineOptions,
): Promise<{ side: Side; close(): Promise<void> }> {
  const name = NAMES[number - 1] ?? '';
  const inner = Uint8Array.of(10, 9, 0, number);
  const dataPlane = openNativeDataPlane({
    interfaceName: name,
    mtu: 1420,
    engine,
    onIoUringMissing: (reason) => console.warn(`io_uring: ${reason}; with epoll instead`),
  });
  const socket = createSocket('udp4');
  const side = new Side(dataPlane, LOOPBACK, inner, (to, payload) =>
    socket.send(payload, PORT, formatAddress(to)),
  );
  side.start();
  ip(`
    addr add ${formatAddress(inner)}/32 dev ${name}
    link set ${name} up
    route add default dev ${name} table ${100 + number}
  `);
  await side.events.take((event) => event.type === 'link-changed' && event.up);
  socket.on('message', (payload) => side.payloads.push(payload.toString()));
  socket.bind(PORT, formatAddress(inner));
  await once(socket, 'listening');
  side.port = dataPlane.listen(0);
  await dataPlane.sync();
  side.events.clear();
  return {
    side,
    async close() {
      socket.close();
      await dataPlane.close();
    },
  };
}

async function createRig(engine: EngineOptions): Promise<Rig> {
  const a = await createSide(1, engine);
  const b = await createSide(2, engine);
  return {
    a: a.side,
    b: b.side,
    async close() {
      await a.close();
      await b.close();
    },
  };
}

function runInNamespace(): { status: number | null; output: string } {
  const vitest = createRequire(import.meta.url).resolve('vitest/package.json');
  const child = spawnSync(
    'unshare',
    [
      '--net',
      process.execPath,
      join(dirname(vitest), 'vitest.mjs'),
      'run',
      fileURLToPath(import.meta.url),
    ],
    { env: { ...process.env, [NAMESPACE_VARIABLE]: '1' }, encoding: 'utf8', timeout: 200_000 },
  );
  return { status: child.status, output: child.stdout + child.stderr };
}

if (!existsSync(TUN_DEVICE)) {
  test.skip(`data plane: native (skipped: ${TUN_DEVICE} is missing)`, () => {});
} else if (process.env[NAMESPACE_VARIABLE] === undefined) {
  test('data plane: native, in a network namespace', { timeout: 210_000 }, () => {
    const { status, output } = runInNamespace();
    expect(status, output).toBe(0);
  });
} else {
  beforeAll(prepareNamespace);
  for (const engine of ENGINES) {
    const io = engine.ioUring === true ? 'io_uring' : 'epoll';
    dataPlaneSuite(`native, ${engine.kind}, ${io}`, () => createRig(engine));
  }
}
