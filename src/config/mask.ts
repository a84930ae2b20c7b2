export const MASK = '********';

/** The URL with its password masked; anything that is no URL is masked whole. */
export function maskUrl(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password) parsed.password = MASK;
    return parsed.href;
  } catch {
    return MASK;
  }
}
