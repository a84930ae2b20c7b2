/** Deepest nesting that is parsed; an envelope of OpenClaw has four levels. */
const MAX_DEPTH = 100;
/** Maximum bytes to read again, as a multiple of the bytes read: keeps the work linear in the output. */
const MAX_REREAD = 4;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const LETTER_U = 0x75;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** What may come next in the object. */
type Expects = 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'comma-or-end' | 'string' | 'escape' | 'hex';

export interface JsonLimits {
  /** Longest text to keep of one string, bytes of decoded UTF-8. */
  readonly stringBytes: number;
  /** Longest object to keep, bytes; strings beyond it become empty. */
  readonly objectBytes: number;
}

/** A complete object from a stream. */
export interface FoundObject {
  /** The object's JSON, with strings cut to the limits. */
  readonly json: string;
  /** By top-level key of the object: bytes of text that were cut below it. */
  readonly leftOut: ReadonlyMap<string, number>;
}

/**
 * Finds the JSON objects in a stream of other text as it arrives. Memory is bounded, whatever text surrounds the
 * objects, and the work is linear in the length of the stream.
 *
 * An object begins at any `{`. If the text turns out to be no object, it is read again from its next `{`, a limited
 * number of times. So a brace in a log line does not hide an object behind it.
 */
export class JsonObjects {
  readonly #limits: JsonLimits;
  readonly #onObject: (found: FoundObject) => void;
  /** The kept bytes of the current object. */
  #kept = Buffer.alloc(1024);
  #length = 0;
  /** The open containers, outermost first: true for an object. */
  #open: boolean[] = [];
  #expects: Expects = 'value';
  #isKey = false;
  /** Start of the current string in `#kept`, and the bytes of its text kept so far. */
  #stringAt = 0;
  #stringBytes = 0;
  #cuts = false;
  #hex = '';
  #key = '';
  #leftOut = new Map<string, number>();
  #read = 0;
  #reread = 0;

  constructor(limits: JsonLimits, onObject: (found: FoundObject) => void) {
    this.#limits = limits;
    this.#onObject = onObject;
  }

  push(chunk: Buffer): void {
    this.#read += chunk.length;
    this.#follow(chunk);
  }

  /** Ends the stream. An unfinished object may hide complete ones, so its text is read again. */
  end(): void {
    while (this.#open.length > 0) {
      const again = this.#giveUp();
      if (again) this.#follow(again);
    }
  }

  #follow(chunk: Buffer): void {
    // A stack of the chunks to read; its size is bounded by that of one object.
    const todo = [chunk];
    for (let bytes = todo.pop(); bytes; bytes = todo.pop()) {
      let at = 0;
      while (at < bytes.length) {
        if (this.#open.length === 0) {
          at = bytes.indexOf(OPEN_OBJECT, at);
          if (at < 0) break;
          this.#begin();
          at++;
          continue;
        }
        if (this.#take(bytes[at] as number)) {
          at++;
          continue;
        }
        const again = this.#giveUp();
        if (!again) continue;
        todo.push(bytes.subarray(at));
        bytes = again;
        at = 0;
      }
    }
  }

  #begin(): void {
    this.#length = 0;
    this.#open = [true];
    this.#expects = 'key-or-end';
    this.#leftOut = new Map();
    this.#key = '';
    this.#keep(OPEN_OBJECT);
  }

  /** Drops the current object. @returns a copy from its next `{` on to read again, if there is one. */
  #giveUp(): Buffer | undefined {
    this.#open = [];
    if (this.#leftOut.size > 0) return undefined;
    const next = this.#kept.subarray(0, this.#length).indexOf(OPEN_OBJECT, 1);
    const length = this.#length - next;
    if (next < 0 || this.#reread + length > this.#read * MAX_REREAD) return undefined;
    this.#reread += length;
    return Buffer.from(this.#kept.subarray(next, this.#length));
  }

  /** Feeds a byte to the current object; false if the byte is invalid at this point. */
  #take(byte: number): boolean {
    if (this.#expects === 'string' || this.#expects === 'escape' || this.#expects === 'hex')
      return this.#inString(byte);
    // Beyond this, something other than text makes the object long.
    if (this.#length > 2 * this.#limits.objectBytes) return false;
    if (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)) {
      this.#keep(byte);
      return true;
    }
    if (!this.#between(byte)) return false;
    if (this.#open.length === 0) this.#found();
    return true;
  }

  #between(byte: number): boolean {
    const expects = this.#expects;
    const inObject = this.#open.at(-1);
    if (expects === 'comma-or-end' && byte === COMMA) {
      this.#expects = inObject ? 'key' : 'value';
    } else if (expects === 'colon' && byte === COLON) {
      this.#expects = 'value';
    } else if (byte === (inObject ? CLOSE_OBJECT : CLOSE_ARRAY) && expects.endsWith('-end')) {
      this.#open.pop();
      this.#expects = 'comma-or-end';
    } else if (byte === QUOTE && (expects.startsWith('value') || expects.startsWith('key'))) {
      this.#isKey = expects.startsWith('key');
      this.#expects = 'string';
      this.#stringBytes = 0;
      this.#stringAt = this.#length + 1;
      this.#cuts = this.#isBeyond();
    } else if (expects.startsWith('value') && (byte === OPEN_OBJECT || byte === OPEN_ARRAY)) {
      if (this.#open.length === MAX_DEPTH) return false;
      this.#open.push(byte === OPEN_OBJECT);
      this.#expects = byte === OPEN_OBJECT ? 'key-or-end' : 'value-or-end';
    } else if (isLiteral(byte) && (expects.startsWith('value') || this.#continuesLiteral())) {
      // Whether it is a valid number, true, false or null shows when the whole object is parsed.
      this.#expects = 'comma-or-end';
    } else {
      return false;
    }
    this.#keep(byte);
    return true;
  }

  #continuesLiteral(): boolean {
    return this.#expects === 'comma-or-end' && isLiteral(this.#kept[this.#length - 1] ?? 0);
  }

  #inString(byte: number): boolean {
    if (byte < 0x20) return false;
    const atCharacter = this.#expects === 'string' && (byte & 0xc0) !== 0x80;
    if (atCharacter && byte === QUOTE) {
      this.#endString();
      return true;
    }
    if (atCharacter) this.#cuts ||= this.#stringBytes >= this.#limits.stringBytes || this.#isBeyond();
    const bytes = this.#textBytes(byte);
    if (bytes < 0) return false;
    if (!this.#cuts) {
      this.#stringBytes += bytes;
      this.#keep(byte);
    } else if (bytes > 0) {
      this.#leftOut.set(this.#key, (this.#leftOut.get(this.#key) ?? 0) + bytes);
    }
    return true;
  }

  /** Without its key, a number behind a long text would be lost, too. */
  #isBeyond(): boolean {
    return !this.#isKey && this.#length > this.#limits.objectBytes;
  }

  /** Number of UTF-8 bytes that this byte of a string completes; -1 if it is invalid at this point. */
  #textBytes(byte: number): number {
    if (this.#expects === 'string') {
      if (byte !== BACKSLASH) return 1;
      this.#expects = 'escape';
      return 0;
    }
    if (this.#expects === 'escape') {
      if (!'"\\/bfnrtu'.includes(String.fromCharCode(byte))) return -1;
      this.#expects = byte === LETTER_U ? 'hex' : 'string';
      this.#hex = '';
      return byte === LETTER_U ? 0 : 1;
    }
    const digit = String.fromCharCode(byte);
    if (!/[0-9a-f]/i.test(digit)) return -1;
    this.#hex += digit;
    if (this.#hex.length < 4) return 0;
    this.#expects = 'string';
    const unit = Number.parseInt(this.#hex, 16);
    // Each half of a surrogate pair counts for two of the pair's four bytes.
    if (unit >= 0xd800 && unit <= 0xdfff) return 2;
    return unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
  }

  #endString(): void {
    if (this.#isKey && this.#open.length === 1) {
      this.#key = this.#kept.subarray(this.#stringAt, this.#length).toString('utf8');
    }
    this.#keep(QUOTE);
    this.#expects = this.#isKey ? 'colon' : 'comma-or-end';
  }

  #found(): void {
    const json = this.#kept.subarray(0, this.#length).toString('utf8');
    // The buffer of an exceptionally long object is freed at once.
    if (this.#kept.length > 65_536) this.#kept = Buffer.alloc(1024);
    this.#onObject({ json, leftOut: this.#leftOut });
  }

  #keep(byte: number): void {
    if (this.#length === this.#kept.length) {
      const larger = Buffer.alloc(this.#kept.length * 2);
      this.#kept.copy(larger);
      this.#kept = larger;
    }
    this.#kept[this.#length++] = byte;
  }
}

/** Whether the byte may be part of a number, or of true, false or null. */
function isLiteral(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2b ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x45
  );
}
