const TAG = 'step:';

/** The step that a cell's `%%step` line or its tags name, or null; for when there is no kernel to ask. */
export function stepOf(
  source: string,
  tags: readonly string[] = []
): string | null {
  const line = /^\s*%%step\s+([A-Za-z_]\w*)/.exec(source)?.[1];
  const tag = tags.find(tag => tag.startsWith(TAG))?.slice(TAG.length);
  return line ?? tag ?? null;
}
