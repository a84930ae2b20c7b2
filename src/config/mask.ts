export const MASK = '********';

/** Masks the password of a URL. Text that is no URL is masked whole; empty text stays empty. */
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
