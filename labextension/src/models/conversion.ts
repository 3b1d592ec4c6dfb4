/** What the kernel answers when it has converted a notebook. */
export interface Conversion {
  /** The name of the new file, beside the notebook; null if none was written. */
  readonly written: string | null;
  /** What is said of the conversion, line by line. */
  readonly report: readonly string[];
}

/**
 * The answer in what the kernel has printed, or null if it is not there.
 *
 * It is the last line that is not empty; above it is what the notebook printed while it was executed for the proof.
 */
export function readConversion(printed: string): Conversion | null {
  const last = printed.trimEnd().split('\n').pop() ?? '';
  let answer: unknown;
  try {
    answer = JSON.parse(last);
  } catch {
    return null;
  }
  const { written, report } = (answer ?? {}) as Partial<
    Record<keyof Conversion, unknown>
  >;
  if (!Array.isArray(report)) {
    return null;
  }
  return {
    written: typeof written === 'string' ? written : null,
    report: report.map(String)
  };
}

/** The path of a file beside another one; at the top of a drive, `drive:` is before its name. */
export function besidePath(path: string, name: string): string {
  const end = path.includes('/') ? path.lastIndexOf('/') : path.indexOf(':');
  return path.slice(0, end + 1) + name;
}

/** The sentences of an error of the kernel, without the colours and the name of its class. */
export function errorText(traceback: readonly string[], value: string): string {
  // What flownb raises shows itself as one line; a traceback says too much for a dialog.
  const text = traceback.length === 1 ? traceback[0] : value;
  // eslint-disable-next-line no-control-regex -- these are the codes of terminals
  return text.replace(/\u001b\[[0-9;]*m/g, '').trim();
}
