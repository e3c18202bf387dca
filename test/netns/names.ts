// Names of namespaces and interfaces, unique across runs, workers and tests. Both must fit the kernel's 15 characters
// for interfaces; UAPI sockets live in one directory for all namespaces, so interface names must differ everywhere.

export const NAMESPACE_PREFIX = 'weft';
/** Environment variable with the name of this run, set before the workers start. */
export const RUN_VARIABLE = 'WEFT_TEST_RUN';

let count = 0;

export function uniqueNamespace(label: string): string {
  const run = process.env[RUN_VARIABLE] ?? process.pid.toString(36);
  return `${NAMESPACE_PREFIX}-${run}-${process.pid.toString(36)}-${count++}-${label}`;
}

export function uniqueInterface(): string {
  return `wt${process.pid.toString(36)}x${(count++).toString(36)}`;
}
