import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../test/support/fake-node.js';
import { WeftError } from '../core/errors.js';
import { ask, isServed } from './control-client.js';
import { MAX_REQUEST_BYTES } from './control-protocol.js';
import { ControlServer, type Handlers } from './control-server.js';

let directory: string;
let path: string;
let server: ControlServer | null;
const logger = new MemoryLogger();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weft-'));
  path = join(directory, 'run', 'weft0.sock');
  server = null;
});

afterEach(async () => {
  await server?.close();
  rmSync(directory, { recursive: true });
});

async function serve(handlers: Handlers): Promise<void> {
  server = await ControlServer.open(path, handlers, logger);
}

/** All that the server answers to raw bytes. */
function raw(text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(path, () => socket.end(text));
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
}

describe('the control socket', () => {
  test('answers', async () => {
    await serve({ add: ({ a, b }) => Number(a) + Number(b) });
    expect(await ask(path, 'add', { a: 1, b: 2 })).toBe(3);
  });

  test('is for its owner only', async () => {
    await serve({});
    expect(statSync(path).mode & 0o077).toBe(0);
  });

  test('sends events before the result', async () => {
    await serve({
      count: async (_, asker) => {
        asker.send(1);
        asker.send(2);
        return 'done';
      },
    });
    const events: unknown[] = [];
    expect(await ask(path, 'count', {}, { onEvent: (event) => events.push(event) })).toBe('done');
    expect(events).toEqual([1, 2]);
  });

  test('tells a handler that its asker has gone', async () => {
    let resolve = () => {};
    const gone = new Promise<void>((done) => {
      resolve = done;
    });
    await serve({
      follow: async (_, asker) => {
        asker.send('ready');
        await asker.gone;
        resolve();
      },
    });
    const abort = new AbortController();
    const following = ask(
      path,
      'follow',
      {},
      { signal: abort.signal, onEvent: () => abort.abort() },
    );
    expect(await following).toBeNull();
    await gone;
  });

  test('hands errors on, and hides those that nobody foresaw', async () => {
    await serve({
      refuse: () => {
        throw new WeftError('ENAME', 'no such member: see weft status');
      },
      break: () => {
        throw new TypeError('x is undefined');
      },
    });
    await expect(ask(path, 'refuse')).rejects.toMatchObject({ code: 'ENAME' });
    await expect(ask(path, 'break')).rejects.toMatchObject({ code: 'EINTERNAL' });
    await expect(ask(path, 'break')).rejects.not.toThrow('undefined');
  });

  test.each(['what', '__proto__', 'toString'])('does not know %j', async (command) => {
    await serve({});
    await expect(ask(path, command)).rejects.toMatchObject({ code: 'EREQUEST' });
  });

  test('answers several requests in order', async () => {
    await serve({
      slow: () => new Promise((resolve) => setImmediate(() => resolve('slow'))),
      fast: () => 'fast',
    });
    const answer = await raw('{"command":"slow"}\n{"command":"fast"}\n');
    expect(answer).toBe('{"result":"slow"}\n{"result":"fast"}\n');
  });

  test('refuses what is no request, and ends a line without end', async () => {
    await serve({});
    expect(await raw('hello\n')).toContain('EREQUEST');
    expect(await raw('{"command":"x","arguments":[]}\n')).toContain('EREQUEST');
    expect(await raw('x'.repeat(MAX_REQUEST_BYTES + 1))).toBe('');
  });

  test('a node that does not run is told apart', async () => {
    expect(await isServed(path)).toBe(false);
    await expect(ask(path, 'status')).rejects.toMatchObject({ code: 'ENOTRUNNING' });
    await serve({});
    expect(await isServed(path)).toBe(true);
  });
});
