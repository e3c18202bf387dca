// Errors of misuse and configuration. Hostile network input is never an exception: it is dropped and counted.

/** Of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error a user can act on: `code` is stable, `message` says what to do. */
export class WeftError extends Error {
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'WeftError';
  }
}
