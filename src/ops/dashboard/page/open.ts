/** Opens a link of this page. `replace`: without a new entry in the browser's history. */
export function open(link: string, { replace = false } = {}): void {
  if (replace) location.replace(link);
  else location.hash = link;
}
