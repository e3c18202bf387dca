import { existsSync, mkdtempSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeScheduler } from '../../test/support/scheduler.js';
import { UapiClient } from '../../test/support/uapi-client.js';
import { FakeDataPlane } from '../dataplane/fake.js';
import { toyCipher } from '../dataplane/fake-cipher.js';
import { FakeNetwork } from '../dataplane/fake-network.js';
import { createNode, type NodeOptions } from './node.js';
import { systemScheduler } from './system.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weft-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function fakeDataPlane(): FakeDataPlane {
  return new FakeDataPlane({
    network: new FakeNetwork(),
    addresses: [Uint8Array.of(192, 0, 2, 1)],
    clock: new FakeScheduler(),
    cipher: toyCipher,
    interfaceName: 'given0',
  });
}

function options(dataPlane: FakeDataPlane): NodeOptions {
  return {
    interfaceName: 'wg0',
    dataPlane,
    socketDirectory: directory,
    scheduler: { ...systemScheduler, after: () => () => {} },
  };
}

describe('a node', () => {
  test('accepts on its socket, named as the kernel named the interface', async () => {
    const node = await createNode(options(fakeDataPlane()));
    expect(node.interfaceName).toBe('given0');
    expect(node.socketPath).toBe(join(directory, 'given0.sock'));
    const client = await UapiClient.open(node.socketPath);
    expect(await client.request('get=1\n\n')).toBe('errno=0');
    await node.close();
    expect(await client.answer()).toBeNull();
  });

  test('leaves nothing behind when closed', async () => {
    const dataPlane = fakeDataPlane();
    const node = await createNode(options(dataPlane));
    await node.close();
    await node.close();
    expect(await node.closed).toBe('closed');
    expect(dataPlane.isClosed).toBe(true);
    expect(existsSync(node.socketPath)).toBe(false);
  });

  test('ends when its socket is removed', async () => {
    const dataPlane = fakeDataPlane();
    const node = await createNode(options(dataPlane));
    unlinkSync(node.socketPath);
    expect(await node.closed).toBe('socket-removed');
    expect(dataPlane.isClosed).toBe(true);
  });

  test('ends when its interface is deleted', async () => {
    const dataPlane = fakeDataPlane();
    const node = await createNode(options(dataPlane));
    dataPlane.deleteLink();
    expect(await node.closed).toBe('link-gone');
    expect(existsSync(node.socketPath)).toBe(false);
  });

  test('gives up the interface when the socket is in use', async () => {
    const first = await createNode(options(fakeDataPlane()));
    const dataPlane = fakeDataPlane();
    await expect(createNode(options(dataPlane))).rejects.toMatchObject({ code: 'EUAPIINUSE' });
    expect(dataPlane.isClosed).toBe(true);
    expect(existsSync(first.socketPath)).toBe(true);
    await first.close();
  });

  test.each(['', 'a/b', '..', 'sixteencharacter', 'a b', 'a:b'])(
    'has no interface %j',
    async (interfaceName) => {
      const given = { ...options(fakeDataPlane()), interfaceName };
      await expect(createNode(given)).rejects.toMatchObject({ code: 'EINTERFACENAME' });
    },
  );
});
