const NEWLINE = 0x0a;

/** Splits a stream into lines with a length limit, however long the stream's own lines are. */
export class BoundedLines {
  readonly #maxBytes: number;
  readonly #onLine: (line: string) => void;
  /** The beginning of the unfinished line. */
  #parts: Buffer[] = [];
  #bytes = 0;
  /** Whether the line reached the limit and was emitted; the rest of it is skipped. */
  #skips = false;

  /** A longer line is emitted as soon as it exceeds the limit, with a `…` at its end. */
  constructor(maxBytes: number, onLine: (line: string) => void) {
    this.#maxBytes = maxBytes;
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    for (let from = 0; from < chunk.length; ) {
      const end = chunk.indexOf(NEWLINE, from);
      this.#add(chunk.subarray(from, end < 0 ? chunk.length : end));
      if (end < 0) return;
      this.#endLine();
      from = end + 1;
    }
  }

  /** Ends the stream; its last line needs no line break. */
  end(): void {
    if (this.#bytes > 0) this.#endLine();
    this.#skips = false;
  }

  #add(part: Buffer): void {
    if (this.#skips || part.length === 0) return;
    const kept = part.subarray(0, this.#maxBytes - this.#bytes);
    // A copy, since a view would keep the whole chunk in memory.
    this.#parts.push(Buffer.from(kept));
    this.#bytes += kept.length;
    if (kept.length === part.length) return;
    this.#handOn('…');
    this.#skips = true;
  }

  #endLine(): void {
    if (!this.#skips) this.#handOn('');
    this.#skips = false;
  }

  #handOn(mark: string): void {
    const text = Buffer.concat(this.#parts).toString('utf8');
    this.#parts = [];
    this.#bytes = 0;
    // A character that the limit cut in two is left out.
    this.#onLine(mark === '' ? text : text.replace(/\ufffd$/, '') + mark);
  }
}
