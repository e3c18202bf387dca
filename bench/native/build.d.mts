/** Resolves to the directory with the programs. */
export function buildBenchmarks(targets: readonly string[]): Promise<string>;
