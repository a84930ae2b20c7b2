const NEWLINE = 0x0a;

/** Cuts a stream into lines that are never longer than a limit, however long the stream's own are. */
export class BoundedLines {
  readonly #maxBytes: number;
  readonly #onLine: (line: string) => void;
  /** The beginning of the line that has not ended yet. */
  #parts: Buffer[] = [];
  #bytes = 0;
  /** That line was longer than the limit and has been handed on; the rest of it is left out. */
  #skips = false;

  /** A longer line is handed on as soon as it reaches the limit, with a `…` behind it. */
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

  /** The stream has ended; what it said last needs no line break. */
  end(): void {
    if (this.#bytes > 0) this.#endLine();
    this.#skips = false;
  }

  #add(part: Buffer): void {
    if (this.#skips || part.length === 0) return;
    const kept = part.subarray(0, this.#maxBytes - this.#bytes);
    // A copy: a view would keep the whole chunk in memory.
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
    // A character that was cut in two is left out.
    this.#onLine(mark === '' ? text : text.replace(/\ufffd$/, '') + mark);
  }
}
