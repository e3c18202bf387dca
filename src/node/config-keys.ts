// How a key of the configuration file is read: parsed as a whole, or refused with what it should have been.

/** Parses a value, or says that it is none. */
export type Parse<T> = (value: string) => T | null;

/** A key of a section whose values go into a `Draft`. */
export interface Key<Draft> {
  /** What a valid value looks like, for the error. */
  readonly expected: string;
  /** May be given more than once. */
  readonly repeats?: boolean;
  read(value: string, into: Draft): boolean;
}

export type Keys<Draft> = Readonly<Record<string, Key<Draft>>>;

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function one<Draft, T>(
  expected: string,
  parse: Parse<T>,
  set: (draft: Draft, value: T) => void,
): Key<Draft> {
  return {
    expected,
    read(value, draft) {
      const parsed = parse(value);
      if (parsed === null) return false;
      set(draft, parsed);
      return true;
    },
  };
}

/** Comma-separated, and the key may be repeated. */
export function list<Draft, T>(
  expected: string,
  parse: Parse<T>,
  set: (draft: Draft, values: readonly T[]) => void,
): Key<Draft> {
  return {
    expected,
    repeats: true,
    read(value, draft) {
      const parts = value.split(',').map((part) => part.trim());
      const parsed = parts.filter((part) => part !== '').map(parse);
      const valid = parsed.filter((item) => item !== null);
      if (valid.length !== parsed.length) return false;
      set(draft, valid);
      return true;
    },
  };
}

export function parseBoolean(text: string): boolean | null {
  if (text === 'yes' || text === 'true') return true;
  return text === 'no' || text === 'false' ? false : null;
}

/** One of a few words. */
export function choice<T extends string>(...words: readonly T[]): Parse<T> {
  return (text) => words.find((word) => word === text.toLowerCase()) ?? null;
}
