// Part of `npm run lint`: the rules of the native tree that no compiler knows.
//   - includes go down the layers only: util <- {crypto, routing, tun, net, io} <- bond <- peer <- engine <- binding,
//     and bond, which a simulator runs, knows of util and net alone
//   - Node-API headers appear in binding/ alone, and tests and fuzz targets do without
//   - native/sources.txt and native/binding-sources.txt list the sources there are, sorted
//   - src/dataplane/native.ts alone loads the addon
import { readdirSync, readFileSync } from 'node:fs';

const LEAVES = ['crypto', 'routing', 'tun', 'net', 'io'];
const BELOW_ENGINE = ['util', ...LEAVES, 'peer'];
/** What each folder of native/src may include besides itself. */
const MAY_INCLUDE = {
  util: [],
  ...Object.fromEntries(LEAVES.map((leaf) => [leaf, ['util']])),
  bond: ['util', 'net'],
  peer: ['util', ...LEAVES, 'bond'],
  engine: [...BELOW_ENGINE, 'bond'],
  binding: [...BELOW_ENGINE, 'bond', 'engine'],
};
const NODE_HEADER = /^(node|napi|uv|v8)\b|^(node_api|js_native_api)/;
const ADDON_LOADER = 'src/dataplane/native.ts';

const problems = [];

function filesIn(folder, pattern) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => pattern.test(name))
    .map((name) => `${folder}/${name}`)
    .sort();
}

function includesOf(file) {
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((text, index) => {
      const match = /^\s*#\s*include\s*([<"])([^>"]+)[>"]/.exec(text);
      return match
        ? [{ quoted: match[1] === '"', path: match[2], where: `${file}:${index + 1}` }]
        : [];
    });
}

function checkLayers() {
  for (const file of filesIn('native/src', /\.(cc|h)$/)) {
    const folder = file.split('/')[2];
    const allowed = MAY_INCLUDE[folder];
    if (!allowed) {
      problems.push(`${file}: native/src/${folder} is no layer (see MAY_INCLUDE in this script)`);
      continue;
    }
    for (const { quoted, path, where } of includesOf(file)) {
      if (NODE_HEADER.test(path)) {
        if (folder !== 'binding')
          problems.push(`${where}: <${path}> belongs in native/src/binding only`);
      } else if (quoted) {
        const target = path.split('/')[0];
        if (!(target in MAY_INCLUDE)) {
          problems.push(`${where}: "${path}" must be written from native/src, as "folder/file.h"`);
        } else if (target !== folder && !allowed.includes(target)) {
          problems.push(`${where}: ${folder} may not include ${target} ("${path}")`);
        }
      }
    }
  }
}

function checkNoNodeOutside() {
  for (const file of [
    ...filesIn('native/test', /\.(cc|h)$/),
    ...filesIn('native/fuzz', /\.(cc|h)$/),
  ]) {
    for (const { path, where } of includesOf(file)) {
      if (NODE_HEADER.test(path))
        problems.push(`${where}: tests and fuzz targets build without Node`);
      if (path.startsWith('binding/')) problems.push(`${where}: "${path}" needs Node`);
    }
  }
}

function checkSourceLists() {
  const sources = filesIn('native/src', /\.(cc|S)$/);
  const isBinding = (file) => file.startsWith('native/src/binding/');
  const lists = {
    'native/sources.txt': sources.filter((file) => !isBinding(file)),
    'native/binding-sources.txt': sources.filter(isBinding),
  };
  for (const [list, expected] of Object.entries(lists)) {
    const listed = readFileSync(list, 'utf8').split('\n').filter(Boolean);
    for (const file of expected)
      if (!listed.includes(file)) problems.push(`${list}: ${file} is missing`);
    for (const file of listed)
      if (!expected.includes(file)) problems.push(`${list}: there is no ${file}`);
    if (listed.join() !== [...new Set(listed)].sort().join())
      problems.push(`${list}: sort it, each file once`);
  }
}

function checkAddonLoader() {
  for (const file of filesIn('src', /(?<!\.test)\.ts$/)) {
    if (file !== ADDON_LOADER && /weft\.node|\bdlopen\b/.test(readFileSync(file, 'utf8'))) {
      problems.push(`${file}: only ${ADDON_LOADER} loads the addon`);
    }
  }
}

process.chdir(new URL('..', import.meta.url).pathname);
checkLayers();
checkNoNodeOutside();
checkSourceLists();
checkAddonLoader();
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
