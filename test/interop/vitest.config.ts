// weft against wireguard-go, in network namespaces. Needs root.
//   npx vitest run --config test/interop/vitest.config.ts
import { mergeConfig } from 'vitest/config';
import netns from '../netns/vitest.config.js';

// Arrays are joined: the sweep of namespaces at the end stays.
const config = mergeConfig(netns, { test: { globalSetup: ['test/interop/global-setup.ts'] } });
config.test.include = ['test/interop/**/*.test.ts'];

export default config;
