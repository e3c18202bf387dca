/** Builds the programs of native/bench by CMake, into build-bench/. */
import { spawn } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const directory = join(root, 'build-bench');

/**
 * @param {readonly string[]} targets names of files in native/bench, without .cc; empty: all
 * @returns {Promise<string>} the directory with the programs
 */
export async function buildBenchmarks(targets) {
  await cmake(['-S', root, '-B', directory, '-DWEFT_BENCH=ON', '-DCMAKE_BUILD_TYPE=Release']);
  const chosen = targets.length > 0 ? ['--target', ...targets] : [];
  await cmake(['--build', directory, '--parallel', '2', ...chosen]);
  return directory;
}

/** Silent unless it fails. Of several at once, in one directory, one works. */
async function cmake(args) {
  const child = spawn('nice', ['flock', root, 'cmake', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      output = (output + text).slice(-4000);
    });
  }
  const code = await new Promise((done) => {
    child.once('error', (error) => {
      output += error.message;
      done(127);
    });
    child.once('close', done);
  });
  if (code !== 0) throw new Error(`cmake ${args.join(' ')} failed:\n${output}`);
}
