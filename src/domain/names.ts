/** Pool names become parts of Redis keys and of BullMQ queue names, which may not contain `:`. */
export const POOL_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
export const POOL_NAME_HINT = 'a pool name: lower-case letters, digits, - and _, at most 63';

/** In a lock token, `~` and `:` follow the node id, so an id may contain neither. Host names fit. */
export const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const NODE_ID_HINT = 'a node id: letters, digits, dot, - and _, at most 63';

/** Mesh names become part of the hash tag of every key, and have the form of pool names. */
export const MESH_NAME_HINT = 'a mesh name: lower-case letters, digits, - and _, at most 63';

/**
 * Names that are passed to OpenClaw: agents, models, thinking levels. Spaces and control characters are never allowed.
 */
export const OPENCLAW_NAME = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$/;

/** Labels of nodes. Both parts appear in Redis keys, between `:`, `=`, `,` and spaces. */
export const LABEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const LABEL_VALUE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const LABEL_HINT = 'labels of letters, digits, dot, - and _, e.g. {xcode: "26"}';

export const TAG = /^([A-Za-z0-9][A-Za-z0-9._-]{0,62})=(.{0,256})$/u;

/**
 * The candidate with the fewest edits to `name`, if it is a likely typo (edits at most a third of the name's length).
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const allowed = Math.max(1, Math.floor(name.length / 3));
  let best: { candidate: string; edits: number } | undefined;
  for (const candidate of candidates) {
    // Each missing letter is an edit, so only candidates of a similar length need the expensive comparison.
    if (Math.abs(name.length - candidate.length) > allowed) continue;
    const edits = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (!best || edits < best.edits) best = { candidate, edits };
  }
  return best && best.edits <= allowed ? best.candidate : undefined;
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitute, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
