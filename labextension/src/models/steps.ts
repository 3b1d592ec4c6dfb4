const TAG = 'step:';

/**
 * The step that a cell's `%%step` line or its tags name, or null; for when there is no kernel to ask.
 *
 * As in Python's `flownb/cells/cell.py`: another cell magic outranks tags, and so does the tag `skip`.
 */
export function stepOf(
  source: string,
  tags: readonly string[] = []
): string | null {
  const line = /^\s*%%step\s+([A-Za-z_]\w*)/.exec(source)?.[1];
  if (line !== undefined || /^\s*%%/.test(source) || tags.includes('skip')) {
    return line ?? null;
  }
  return tags.find(tag => tag.startsWith(TAG))?.slice(TAG.length) ?? null;
}
