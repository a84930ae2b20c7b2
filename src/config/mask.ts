export const MASK = '********';

/** The URL with its password masked; anything that is no URL is masked whole, and none is none. */
export function maskUrl(url: string): string {
  if (url === '') return '';
  try {
    const parsed = new URL(url);
    if (parsed.password) parsed.password = MASK;
    return parsed.href;
  } catch {
    return MASK;
  }
}
