/** The name in a cell's `%%step` line, or null; for when there is no kernel to ask. */
export function stepOf(source: string): string | null {
  return /^\s*%%step\s+([A-Za-z_]\w*)/.exec(source)?.[1] ?? null;
}
