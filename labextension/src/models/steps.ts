const TAG = 'step:';
/** Cell magics that run what is below them; as in Python's `flownb/cells/cell.py`. */
const WRAPPER =
  /^\s*%%(?:capture|memit|prun|pyinstrument|time|timeit)(?=\s|$).*\n?/;

/**
 * The step that a cell's `%%step` line or its tags name, or null; for when there is no kernel to ask.
 *
 * As in Python's `flownb/cells/cell.py`: another cell magic outranks tags, and so does the tag `skip`.
 */
export function stepOf(
  source: string,
  tags: readonly string[] = []
): string | null {
  let body = source;
  while (WRAPPER.test(body)) {
    body = body.replace(WRAPPER, '');
  }
  const line = /^\s*%%step\s+([A-Za-z_]\w*)/.exec(body)?.[1];
  if (line !== undefined || /^\s*%%/.test(body) || tags.includes('skip')) {
    return line ?? null;
  }
  return tags.find(tag => tag.startsWith(TAG))?.slice(TAG.length) ?? null;
}
