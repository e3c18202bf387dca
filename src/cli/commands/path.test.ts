import { describe, expect, test } from 'vitest';
import type { BondReport, PathReport, PathsResult } from '../../node/bond-status.js';
import { explainPaths, formatPaths } from './path.js';

const PATH: PathReport = {
  id: 0,
  uplink: 'eth0',
  local: '198.51.100.1',
  remote: '203.0.113.1:51820',
  state: 'active',
  role: 'normal',
  weight: 100,
  points: 0,
  share: 0.67,
  rttMs: 20.14,
  minRttMs: 19.8,
  delayDifferenceMs: 0,
  queueDelayMs: 2,
  jitterMs: 1,
  loss: 0,
  rateBitsPerSecond: 40e6,
  deliveredBitsPerSecond: 38e6,
  offeredBitsPerSecond: 38e6,
  mtu: 1472,
  sentBytes: 1e9,
  receivedBytes: 2e6,
  sentPackets: 800_000,
  lostPackets: 12,
  repairedPackets: 8,
  lastReceivedAgoMs: 40,
  reasons: ['the best way of its uplink'],
};
const TRYING: PathReport = {
  ...PATH,
  id: 1,
  uplink: 'wwan0',
  state: 'trying',
  share: 0,
  rttMs: null,
  lastReceivedAgoMs: null,
  reasons: ['no answer to its challenge yet', 'not proven yet'],
};
const BOND: BondReport = {
  member: 'fra1',
  mode: 'aggregate',
  paths: [PATH, TRYING],
  buffered: 3,
  late: 0,
  provenLost: 4,
  timedOut: 1,
  longestHoldMs: 31,
};
const RESULT: PathsResult = {
  uplinks: [
    {
      name: 'eth0',
      role: 'normal',
      addresses: ['198.51.100.1'],
      weight: 100,
      quota: null,
      usedBytes: null,
      spent: false,
    },
    {
      name: 'wwan0',
      role: 'metered',
      addresses: ['100.64.1.2'],
      weight: 100,
      quota: '50GB/month',
      usedBytes: 51e9,
      spent: true,
    },
  ],
  bonds: [BOND],
  reason: null,
};

describe('weft path ls', () => {
  test('lists uplinks with their quotas, and paths', () => {
    expect(formatPaths(RESULT)).toBe(
      `UPLINK  ADDRESSES     ROLE     QUOTA
eth0    198.51.100.1  normal   -
wwan0   100.64.1.2    metered  51G of 50GB/month, spent

PEER  PATH  UPLINK  REMOTE             STATE   SHARE  RATE      DELAY           LOSS  WEIGHT
fra1  0     eth0    203.0.113.1:51820  active  67%    40Mbit/s  20.1ms +0.00ms  0%    100%
fra1  1     wwan0   203.0.113.1:51820  trying  0%     -         -               -     100%
`,
    );
  });

  test('says why there is no bond', () => {
    const none = { uplinks: [], bonds: [], reason: 'Bond = off in weft.conf' };
    expect(formatPaths(none)).toMatch(/^no uplinks: .*\n\nno bond: Bond = off in weft.conf\n$/);
    expect(formatPaths({ ...none, reason: null })).toContain('it needs a second uplink');
  });
});

describe('weft path explain', () => {
  test('gives every path its reasons, the first one first', () => {
    const text = explainPaths(RESULT, () => true);
    expect(text).toContain('fra1   mode aggregate, 1 of 2 paths active');
    expect(text).toContain('3 packets wait, longest wait 31.0ms; 0 late, 4 lost, 1 given up');
    expect(text).toContain(
      'path 0  eth0 198.51.100.1 -> 203.0.113.1:51820  active, 67% of what is sent',
    );
    expect(text).toMatch(
      /path 1 .*trying\n +why +no answer to its challenge yet\n +not proven yet\n/,
    );
    expect(text).toContain('12 of 800000 packets in all, 8 sent again');
    expect(text).toContain('heard never');
  });

  test('of one path counts the others', () => {
    const text = explainPaths(RESULT, ({ id }) => id === 1);
    expect(text).toContain('1 of 2 paths active');
    expect(text).not.toContain('path 0');
  });

  test('says why there is no bond', () => {
    const reason = 'it does not offer bonds';
    expect(explainPaths({ uplinks: [], bonds: [], reason }, () => true)).toBe(
      `no bond: ${reason}\n`,
    );
  });
});
