/** Where flownb keeps what belongs to a notebook in its metadata. */
export const METADATA_KEY = 'flownb';

/** The id that a notebook has in its metadata, whatever else is there; empty if it has none. */
export function idIn(metadata: unknown): string {
  const id = isRecord(metadata) ? metadata.id : undefined;
  return typeof id === 'string' ? id : '';
}

/** The same metadata with an id, and with all else that was there. */
export function withId(
  metadata: unknown,
  id: string
): Record<string, unknown> & { id: string } {
  return { ...(isRecord(metadata) ? metadata : {}), id };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
