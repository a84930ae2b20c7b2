import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Largest difference between the time of a signature and this machine's clock, ms. */
export const SIGNATURE_MS = 5 * 60_000;

/**
 * The result of the check: the signature in hex, or what is wrong. The same signature means the same request again.
 */
export type SignatureCheck = { readonly signature: string } | { readonly problem: string };

/**
 * Checks that the owner of the secret has signed this body. Two forms are accepted:
 *
 * - `clawmesh-signature: t=<Unix time, s>,v1=<HMAC-SHA256 of "<t>.<body>" in hex>`, which clawmesh itself sends
 * - `x-hub-signature-256: sha256=<HMAC-SHA256 of the body in hex>`, which GitHub sends. It contains no time.
 *
 * @param now this machine's clock, ms since the epoch
 */
export function checkSignature(
  headers: IncomingHttpHeaders,
  body: Buffer,
  { secret, now }: { readonly secret: string; readonly now: number },
): SignatureCheck {
  const own = headers['clawmesh-signature'];
  if (own !== undefined) {
    const [, time = '', signature] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(String(own)) ?? [];
    if (signature === undefined) return { problem: 'clawmesh-signature: expected t=<Unix time>,v1=<64 hex digits>' };
    if (!isEqual(signature, createHmac('sha256', secret).update(`${time}.`).update(body))) return WRONG;
    if (Math.abs(now - Number(time) * 1_000) > SIGNATURE_MS) {
      return { problem: 'the time of the signature differs from the time here by more than 5 minutes' };
    }
    return { signature };
  }
  const [, signature] = /^sha256=([0-9a-f]{64})$/.exec(String(headers['x-hub-signature-256'] ?? '')) ?? [];
  if (signature === undefined) return { problem: 'sign the request: clawmesh-signature or x-hub-signature-256' };
  return isEqual(signature, createHmac('sha256', secret).update(body)) ? { signature } : WRONG;
}

const WRONG = { problem: 'the signature is wrong' };

function isEqual(hex: string, expected: ReturnType<typeof createHmac>): boolean {
  return timingSafeEqual(Buffer.from(hex, 'hex'), expected.digest());
}
