// Unit and compliance tests: fake time, no network, no root. The suites on real TUN devices have configurations of their
// own (test/netns/vitest.config.ts, test/interop) and run by `npm run test:netns`.
import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'src/**/*.test.ts',
      'test/**/*.test.ts',
      'bench/**/*.test.{ts,mjs}',
      'perf/**/*.test.mjs',
    ],
    exclude: [
      ...configDefaults.exclude,
      'test/netns/**',
      'test/interop/**',
      'dist/**',
      'build*/**',
    ],
    restoreMocks: true,
    // only to end a test that hangs: nothing here is about speed
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
