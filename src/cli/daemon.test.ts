import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { launchDaemon } from './daemon.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weft-'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

/** Starts a stand-in for the daemon. */
function launch(code: string): Promise<void> {
  const script = join(directory, 'daemon.mjs');
  writeFileSync(script, `import fs from 'node:fs';\n${code}`);
  return launchDaemon(script, ['wg0']);
}

describe('the launching process', () => {
  test('returns when the daemon is ready, which lives on', async () => {
    const result = join(directory, 'result');
    await launch(`
      const { WG_PROCESS_FOREGROUND, WEFT_READY_FD } = process.env;
      const facts = { WG_PROCESS_FOREGROUND, WEFT_READY_FD, argv: process.argv.slice(2), cwd: process.cwd() };
      fs.writeFileSync(${JSON.stringify(result)}, JSON.stringify(facts));
      fs.writeSync(3, 'ready\\n');
      fs.closeSync(3);
      process.stdin.resume();
    `);
    expect(JSON.parse(readFileSync(result, 'utf8'))).toEqual({
      WG_PROCESS_FOREGROUND: '1',
      WEFT_READY_FD: '3',
      argv: ['wg0'],
      cwd: '/',
    });
  });

  test('repeats the daemon’s line when it fails', async () => {
    const failing = launch(`fs.writeSync(3, 'no such thing: make one\\n'); process.exit(1);`);
    await expect(failing).rejects.toThrow('no such thing: make one');
  });

  test('notices a daemon that ends without a word', async () => {
    await expect(launch('process.exit(1);')).rejects.toThrow('ended before it was ready');
  });

  test('hands descriptors on, under their new numbers', async () => {
    writeFileSync(join(directory, 'tun'), 'the tun');
    writeFileSync(join(directory, 'uapi'), 'the uapi');
    vi.stubEnv('WG_TUN_FD', `${openSync(join(directory, 'tun'), 'r')}`);
    vi.stubEnv('WG_UAPI_FD', `${openSync(join(directory, 'uapi'), 'r')}`);
    const failing = launch(`
      const read = (name) => fs.readFileSync(Number(process.env[name]), 'utf8');
      fs.writeSync(3, read('WG_TUN_FD') + ' and ' + read('WG_UAPI_FD') + '\\n');
    `);
    await expect(failing).rejects.toThrow('the tun and the uapi');
  });
});
