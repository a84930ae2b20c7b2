import * as z from 'zod';

/** Attachments kept per answer. */
const MOST = 50;
/** A longer reference is no URL or path but the file itself (a `data:` URL), which is not kept; characters. */
const LONGEST = 2_048;

/** The part of an OpenClaw payload that names attached files. */
export const payload = z.object({
  mediaUrl: z.string().nullish().catch(undefined),
  mediaUrls: z.array(z.string()).nullish().catch(undefined),
});

/** References to the files that the payloads attach, for a result; without the field if there are none. */
export function attachmentsOf(payloads: readonly z.infer<typeof payload>[] | null | undefined): {
  media?: readonly string[];
} {
  const named = (payloads ?? []).flatMap(({ mediaUrl, mediaUrls }) => [mediaUrl, ...(mediaUrls ?? [])]);
  const kept = named.filter((url) => typeof url === 'string' && url !== '' && url.length <= LONGEST);
  const media = [...new Set(kept as string[])].slice(0, MOST).map((url) => url.toWellFormed());
  return media.length > 0 ? { media } : {};
}
