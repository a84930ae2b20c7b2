import * as z from 'zod';
import { DURATION_HINT, parseDuration, parseSize, SIZE_HINT } from '../domain/units.ts';

/** Marks per-node settings and secrets. `digest.ts` and `show.ts` read these marks. */
interface Meta {
  /**
   * `config show` masks it, and the digest counts only its presence; `'password'`: applies only to the password of a
   * URL.
   */
  readonly secret?: true | 'password';
  /** Excluded from the shared digest. */
  readonly local?: true;
}
export const settingMeta = z.registry<Meta>();

/** A duration in ms, written as in DURATION_HINT. */
export function durationText(range: { min?: string; max?: string } = {}) {
  return z.string({ error: `expected ${DURATION_HINT}` }).transform((text, ctx): number => {
    const ms = parseDuration(text);
    if (ms === undefined) {
      ctx.issues.push({ code: 'custom', message: `expected ${DURATION_HINT}`, input: text });
      return z.NEVER;
    }
    const tooShort = range.min !== undefined && ms < (parseDuration(range.min) ?? 0);
    const tooLong = range.max !== undefined && ms > (parseDuration(range.max) ?? 0);
    if (tooShort || tooLong) {
      const allowed = [range.min && `at least ${range.min}`, range.max && `at most ${range.max}`];
      ctx.issues.push({ code: 'custom', message: `expected ${allowed.filter(Boolean).join(' and ')}`, input: text });
      return z.NEVER;
    }
    return ms;
  });
}

/** A duration in ms, with a default. */
export function duration(fallback: string, range: { min?: string; max?: string } = {}) {
  return durationText(range).prefault(fallback);
}

/** A size in bytes. */
export function size(fallback: string) {
  return z
    .string({ error: `expected ${SIZE_HINT}` })
    .transform((text, ctx): number => {
      const bytes = parseSize(text);
      if (bytes !== undefined) return bytes;
      ctx.issues.push({ code: 'custom', message: `expected ${SIZE_HINT}`, input: text });
      return z.NEVER;
    })
    .prefault(fallback);
}

/** `${VAR}` always expands to text, so a number may arrive as digits in quotes. */
export function integer(min: number, max: number) {
  const hint = `expected a whole number from ${min} to ${max}`;
  return z.preprocess(
    (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
    z.number({ error: hint }).int(hint).min(min, hint).max(max, hint),
  );
}

/** Text that is never shown. */
export function secret() {
  return z.string({ error: 'expected text' }).register(settingMeta, { secret: true });
}

/** A shorter secret can be guessed from a single text that it signs. */
export const MIN_SECRET_LENGTH = 16;

/** As {@link secret}, and long. `command`: one that generates such a text. */
export function longSecret(command: string) {
  const error = `expected at least ${MIN_SECRET_LENGTH} characters; generate them with ${command}`;
  return secret().refine((value) => value.length >= MIN_SECRET_LENGTH, error);
}
