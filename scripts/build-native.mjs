// Builds build/Release/weft.node: the npm install script, and `npm run build:native`. Uses cmake-js, or node-gyp where
// cmake is missing. Both are incremental, and neither downloads headers: cmake-js takes node-api-headers from
// node_modules (because of binary.napi_versions in package.json), node-gyp those of the running Node.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const buildDirectory = join(root, 'build');
const nodePrefix = dirname(dirname(process.execPath));
const jobs = String(availableParallelism());

function succeeds(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** Apt packages of the tools that every build needs and that are not here. */
function missingPackages() {
  const missing = [];
  const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean);
  const compiles = compilers.some((name) => succeeds('sh', '-c', `${name} --version`));
  const builds = succeeds('make', '--version') || succeeds('ninja', '--version');
  if (!compiles || !builds) missing.push('build-essential');
  if (!succeeds('pkg-config', '--version')) missing.push('pkg-config', 'libsodium-dev');
  else if (!succeeds('pkg-config', '--exists', 'libsodium')) missing.push('libsodium-dev');
  return missing;
}

/** The path of cmake-js's command, or null if it or cmake is missing. */
function findCmakeJs() {
  if (!succeeds('cmake', '--version')) return null;
  try {
    return createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  } catch {
    return null;
  }
}

/** The path of node-gyp's command (npm brings one), or null if it, Python or Node's headers are missing. */
function findNodeGyp() {
  if (!succeeds('python3', '--version') || !succeeds('make', '--version')) return null;
  if (!existsSync(join(nodePrefix, 'include/node/node_api.h'))) return null;
  const bundled = 'npm/node_modules/node-gyp/bin/node-gyp.js';
  const candidates = [process.env.npm_config_node_gyp, join(nodePrefix, 'lib/node_modules', bundled)];
  return candidates.find((path) => path && existsSync(path)) ?? null;
}

/** The two builders cannot share a build folder, and CMake's cache is bound to where it was made. */
function discardForeignBuild(builder) {
  const cache = join(buildDirectory, 'CMakeCache.txt');
  const madeByCmake = existsSync(cache);
  const foreign =
    builder === 'node-gyp'
      ? madeByCmake
      : existsSync(join(buildDirectory, 'config.gypi')) ||
        (madeByCmake && !readFileSync(cache, 'utf8').includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`));
  if (foreign) rmSync(buildDirectory, { recursive: true });
}

function run(builder, script, args) {
  discardForeignBuild(builder);
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) fail(`${builder} failed: see its output above.`);
}

function fail(message) {
  console.error(`weft: the native addon was not built. ${message}`);
  process.exit(1);
}

const missing = missingPackages();
const cmakeJs = findCmakeJs();
const nodeGyp = findNodeGyp();
if (!cmakeJs && !nodeGyp) missing.push('cmake');
if (missing.length > 0) {
  fail(`Install what it needs: apt-get install --no-install-recommends ${missing.join(' ')}`);
}
if (cmakeJs) run('cmake-js', cmakeJs, ['compile', '--parallel', jobs]);
else run('node-gyp', nodeGyp, ['configure', 'build', `--nodedir=${nodePrefix}`, '--jobs', jobs]);
