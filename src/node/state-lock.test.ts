import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockState } from './state-lock.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weft-'));
});

afterEach(() => rmSync(directory, { recursive: true }));

describe('the lock of a state directory', () => {
  test('is held once, and says by whom', () => {
    const release = lockState(directory);
    expect(readFileSync(join(directory, 'lock'), 'utf8')).toBe(`${process.pid}\n`);
    const message = `${directory} is in use by process ${process.pid}: end it with weft down`;
    expect(() => lockState(directory)).toThrow(message);
    release();
    lockState(directory)();
  });

  test('goes with the process that held it', async () => {
    const file = join(directory, 'lock');
    const script = 'echo held; exec sleep 100';
    const holder = spawn('flock', ['-n', '--no-fork', file, 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    expect(() => lockState(directory)).toThrow(expect.objectContaining({ code: 'EINUSE' }));
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    lockState(directory)();
  });
});
