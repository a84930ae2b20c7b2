/** Some tests that run together: a whole file, or one test of it. */
export interface Unit {
  readonly file: string;
  /** The full name; undefined for all. */
  readonly test?: string | undefined;
}

/** Tests that go through states by the thousand are a unit each: a mutant is then tried on the worlds that reach it. */
export const BY_TEST = /^test\/(explore\/|queue\/interleavings)/;

/** What the worker is asked to run. */
export interface Order {
  /** Texts in place of files, by their names below `src`. */
  readonly overlay: Readonly<Record<string, string>>;
  readonly units: readonly Unit[];
  /** Whether to look for marks in the logs of the servers. */
  readonly marks?: boolean;
}

export interface Answer {
  /** What failed first. */
  readonly failed?: { readonly unit: Unit; readonly test: string; readonly reason: string } | undefined;
  readonly ms: number;
  readonly marks: readonly string[];
}
