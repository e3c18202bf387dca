import { beforeEach, describe, expect, test } from 'vitest';
import { FakeScheduler } from '../../test/support/scheduler.js';
import { WeftError } from '../core/errors.js';
import { BOND_DEFAULTS, type BondConfig } from './bond-config.js';
import { type LogLine, MeshLog } from './mesh-log.js';
import { UplinkWatch } from './uplinks-watch.js';

let scheduler: FakeScheduler;
let devices: string[];
let reads: number;
let config: BondConfig;
let failing: boolean;
let monitors: number;
let onNews: (running: boolean) => void;
let startsMonitor: boolean;
const told: string[][] = [];
const lines: LogLine[] = [];

beforeEach(() => {
  scheduler = new FakeScheduler();
  devices = ['eth0'];
  reads = 0;
  config = BOND_DEFAULTS;
  failing = false;
  monitors = 0;
  startsMonitor = true;
  told.length = 0;
  lines.length = 0;
});

function watch(): UplinkWatch {
  return new UplinkWatch({
    scheduler,
    device: 'weft0',
    log: new MeshLog('warn', (line) => lines.push(line)),
    config: () => config,
    onChange: (uplinks) => told.push(uplinks.map(({ name }) => name)),
    monitor: (callback) => {
      monitors++;
      onNews = callback;
      if (!startsMonitor) callback(false);
      return () => {
        monitors--;
      };
    },
    run: async (argv) => {
      if (failing) throw new WeftError('EIP', 'ip failed');
      if (!argv.includes('address')) return '';
      reads++;
      return JSON.stringify(
        devices.map((ifname, i) => ({
          ifname,
          ifindex: i + 2,
          flags: ['UP'],
          operstate: 'UP',
          addr_info: [{ local: `203.0.113.${i + 1}`, prefixlen: 24, scope: 'global' }],
        })),
      );
    },
  });
}

describe('the watch over uplinks', () => {
  test('knows them when it has started, and says each change once', async () => {
    const uplinks = watch();
    await uplinks.start();
    expect(uplinks.uplinks.map(({ name }) => name)).toEqual(['eth0']);
    devices = ['eth0', 'wwan0'];
    for (let message = 0; message < 12; message++) onNews(true);
    await scheduler.advance(100);
    expect(told).toEqual([['eth0'], ['eth0', 'wwan0']]);
    expect(reads).toBe(2);
    await scheduler.advance(5_000);
    // each of the twelve but the first came before the reading: once more, to be sure
    expect([reads, told.length]).toEqual([3, 2]);
  });

  test('is not kept busy by routes that come and go', async () => {
    await watch().start();
    for (let passed = 0; passed < 10_000; passed += 10) {
      onNews(true);
      await scheduler.advance(10);
    }
    expect(reads).toBeLessThanOrEqual(11);
  });

  test('looks each 5 s where nothing tells it, and seldom where something does', async () => {
    await watch().start();
    await scheduler.advance(59_000);
    expect(reads).toBe(1);
    onNews(false);
    await scheduler.advance(15_000);
    expect(reads).toBe(4);
  });

  test('keeps what it knows when ip fails, and says so once', async () => {
    const uplinks = watch();
    await uplinks.start();
    onNews(false);
    failing = true;
    await scheduler.advance(20_000);
    expect(uplinks.uplinks).toHaveLength(1);
    expect(lines).toHaveLength(1);
  });

  test('with Bond = off asks nothing, and begins after a reload', async () => {
    config = { ...BOND_DEFAULTS, enabled: false };
    const uplinks = watch();
    await uplinks.start();
    await scheduler.advance(600_000);
    expect([reads, monitors]).toEqual([0, 0]);
    config = BOND_DEFAULTS;
    await uplinks.reload();
    expect([reads, monitors]).toEqual([1, 1]);
    config = { ...BOND_DEFAULTS, enabled: false };
    await uplinks.reload();
    expect(uplinks.uplinks).toEqual([]);
    expect([monitors, scheduler.timerCount]).toEqual([0, 0]);
  });

  test('ends with all that it began', async () => {
    const uplinks = watch();
    await uplinks.start();
    uplinks.stop();
    expect([monitors, scheduler.timerCount]).toEqual([0, 0]);
  });

  test('looks often when the monitor cannot even be started', async () => {
    startsMonitor = false;
    await watch().start();
    expect(reads).toBe(1);
    await scheduler.advance(5_000);
    expect(reads).toBe(2);
  });
});
