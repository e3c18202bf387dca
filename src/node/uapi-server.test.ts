import {
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UapiClient } from '../../test/support/uapi-client.js';
import { UapiServer, type UapiServerOptions } from './uapi-server.js';

let directory: string;
let path: string;
const opened: UapiServer[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weft-'));
  path = join(directory, 'sub', 'wg0.sock');
});

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
  rmSync(directory, { recursive: true });
});

async function open(options: Partial<UapiServerOptions> = {}): Promise<UapiServer> {
  const server = await UapiServer.open({
    path,
    onConnection: (socket) => socket.on('error', () => {}).end('hello\n\n'),
    onRemoved: () => {},
    ...options,
  });
  opened.push(server);
  return server;
}

describe('the UAPI socket', () => {
  test('accepts, in a directory of its own that others may list', async () => {
    const mask = process.umask();
    await open();
    expect(process.umask()).toBe(mask);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, 'sub')).mode & 0o777).toBe(0o755 & ~mask);
    const client = await UapiClient.open(path);
    expect(await client.answer()).toBe('hello');
    client.close();
  });

  test('is gone after close()', async () => {
    await (await open()).close();
    expect(existsSync(path)).toBe(false);
  });

  test('replaces a file that nobody listens on', async () => {
    await (await open()).close();
    writeFileSync(path, '');
    await open();
    expect(statSync(path).isSocket()).toBe(true);
  });

  test('is not taken from one who listens', async () => {
    await open();
    await expect(open()).rejects.toMatchObject({ code: 'EUAPIINUSE' });
    expect(readdirSync(dirname(path))).toEqual(['wg0.sock']);
    const client = await UapiClient.open(path);
    expect(await client.answer()).toBe('hello');
    client.close();
  });

  test('fails with one line where there can be none', async () => {
    writeFileSync(join(directory, 'sub'), '');
    await expect(open()).rejects.toMatchObject({ code: 'EUAPI' });
  });

  test('tells when its file is removed, and only then', async () => {
    const removed: string[] = [];
    await new Promise<void>((resolve) => {
      const onRemoved = () => {
        removed.push('removed');
        resolve();
      };
      void open({ onRemoved }).then(() => {
        writeFileSync(join(directory, 'sub', 'other'), '');
        unlinkSync(join(directory, 'sub', 'other'));
        expect(removed).toEqual([]);
        unlinkSync(path);
      });
    });
    expect(removed).toEqual(['removed']);
  });
});
