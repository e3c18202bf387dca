/** A measurement or a tool failed in a way that the user should read as one line. */
export class BenchError extends Error {
  name = 'BenchError';
}
