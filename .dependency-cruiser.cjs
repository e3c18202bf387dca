// Which folder of src/ may import which (ARCHITECTURE.md, "Imports"):
//   core <- wire <- {wg, mesh, bond} <- node <- cli     core <- dataplane <- node
// A test beside the code may import what its folder may, Node, packages, and test/.
const TEST = '\\.test\\.ts$';

/** Code of `folder` may import only itself, `others`, and what the flags add. */
function only(folder, others, { packages, node }) {
  const folders = [folder, ...others].join('|');
  const outside = [`^src/(?!(${folders})/)`, '^(test|bench|scripts)/'];
  if (!packages) outside.push('^node_modules/');
  const rules = [
    {
      name: `${folder}-imports`,
      severity: 'error',
      comment: `src/${folder} may import ${[folder, ...others].join(', ')}${packages ? ' and packages' : ''} only.`,
      from: { path: `^src/${folder}/`, pathNot: TEST },
      to: { path: outside.join('|') },
    },
    {
      name: `${folder}-test-imports`,
      severity: 'error',
      comment: `Tests of src/${folder} may import what it may, and test/.`,
      from: { path: `^src/${folder}/.*${TEST}` },
      to: { path: `^src/(?!(${folders})/)|^(bench|scripts)/` },
    },
  ];
  if (!node) {
    rules.push({
      name: `${folder}-knows-no-node`,
      severity: 'error',
      comment: `src/${folder} is sans-I/O: it takes time, randomness and bytes as arguments.`,
      from: { path: `^src/${folder}/`, pathNot: TEST },
      to: { dependencyTypes: ['core'] },
    });
  }
  return rules;
}

module.exports = {
  forbidden: [
    ...only('core', [], { packages: false, node: false }),
    ...only('wire', ['core'], { packages: true, node: false }),
    ...only('wg', ['core', 'wire'], { packages: false, node: false }),
    ...only('mesh', ['core', 'wire'], { packages: true, node: false }),
    ...only('bond', ['core', 'wire'], { packages: false, node: false }),
    ...only('dataplane', ['core'], { packages: true, node: true }),
    ...only('node', ['core', 'wire', 'wg', 'mesh', 'bond', 'dataplane'], {
      packages: true,
      node: true,
    }),
    {
      name: 'nothing-imports-cli',
      severity: 'error',
      comment: 'The command line is the outermost ring.',
      from: { pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'addon-only-in-native-ts',
      severity: 'error',
      comment:
        'src/dataplane/native.ts is the only file that loads the addon; only node/ and tests construct it.',
      from: { path: '^src/', pathNot: '^src/dataplane/native\\.ts$' },
      to: { path: '\\.node$' },
    },
    {
      name: 'no-test-code-in-production',
      severity: 'error',
      from: { path: '^src/', pathNot: TEST },
      to: { path: `${TEST}|^test/` },
    },
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '\\.node$' },
    },
    {
      name: 'declared-packages',
      severity: 'error',
      comment: 'Production code imports packages of "dependencies" only.',
      from: { path: '^src/', pathNot: TEST },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown'] },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.test.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|build)/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node'],
    },
  },
};
