// Loaded into a node with --import: its wall clock is 10 minutes fast, its monotonic clock is right.
const AHEAD_MS = 600_000;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + AHEAD_MS);
    else super(...args);
  }
  static now() {
    return RealDate.now() + AHEAD_MS;
  }
};
