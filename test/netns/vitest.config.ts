// The network-namespace suite: real TUN devices, the real `wg`. Needs root.
//   npx vitest run --config test/netns/vitest.config.ts
// WEFT_TEST_IMPL=/path selects another implementation with wireguard-go's command line.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/netns/**/*.test.ts'],
    globalSetup: ['test/netns/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 20_000,
    reporters: ['verbose'],
  },
});
