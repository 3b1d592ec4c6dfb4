/** The type of the messages that the kernel displays while it converts, as in flownb/magics/conversion.py. */
export const CONVERSION_TYPE = 'application/vnd.flownb.conversion+json';

/** What happened, why, and what to do. */
export interface Sentences {
  readonly what: string;
  readonly why: string;
  readonly fix: string;
}

/** A place in the plain notebook; line 0 is the whole cell. */
export interface Place {
  readonly cell: number;
  readonly line: number;
  readonly end_line: number;
}

/** A step of the proposed flow. */
export interface Step {
  readonly name: string;
  readonly cells: readonly number[];
  readonly captures: readonly string[];
}

/** What a reader should know of the notebook. */
export interface Finding extends Sentences {
  readonly kind: string;
  readonly code: string;
  readonly places: readonly Place[];
}

/** A loop that could be a foreach. */
export interface Offer {
  readonly step: string;
  readonly place: Place;
  readonly text: string;
  readonly cells: readonly string[];
}

/** A value that was compared. */
export interface Row {
  readonly step: string;
  readonly name: string;
  readonly type: string;
  readonly shape: string;
  readonly verdict: string;
  readonly detail: string;
}

/** What was executed and compared. */
export interface Verification {
  readonly verified: boolean;
  readonly summary: string;
  readonly rows: readonly Row[];
  readonly plain_failure: unknown;
  readonly notes: readonly string[];
}

/** A conversion, as `flownb convert --json` prints it. */
export interface Conversion {
  /** The file that was written; null if none was. */
  readonly output: string | null;
  readonly flow: string;
  /** Whether the notebook was not a flow before. */
  readonly changed: boolean;
  readonly steps: readonly Step[];
  readonly shared: readonly Place[];
  readonly scratch: readonly Place[];
  readonly parameters: readonly { readonly name: string }[];
  readonly requirements: readonly string[];
  readonly findings: readonly Finding[];
  readonly offers: readonly Offer[];
  readonly verification: Verification | null;
}

/** What the kernel displays: any number of `progress`, then one of the others. */
export type ConversionMessage =
  | { readonly progress: string }
  | { readonly exists: string }
  | { readonly error: Sentences }
  | { readonly result: Conversion };

/** What is asked of the kernel. */
export interface ConversionRequest {
  /** The notebook's file in the kernel's folder. */
  readonly name: string;
  /** The file to write; null for the default. */
  readonly output: string | null;
  /** Whether a file that exists is replaced. */
  readonly force: boolean;
  /** Whether the flow is proved. */
  readonly verify: boolean;
}

/** The Python code that converts. */
export function conversionCode(request: ConversionRequest): string {
  const { name, output, force, verify } = request;
  // A text in JSON is a text in Python, too.
  const text = (value: string | null): string =>
    value === null ? 'None' : JSON.stringify(value);
  const flag = (value: boolean): string => (value ? 'True' : 'False');
  return (
    'from flownb.magics.shortcuts import convert_notebook; ' +
    `convert_notebook(${text(name)}, ${text(output)}, force=${flag(force)}, verify=${flag(verify)})`
  );
}

/** The path of a file beside another one; at the top of a drive, `drive:` is before its name. */
export function besidePath(path: string, name: string): string {
  return folderOf(path) + name;
}

/** The last part of a path. */
export function nameOf(path: string): string {
  return path.slice(folderOf(path).length);
}

function folderOf(path: string): string {
  const end = path.includes('/') ? path.lastIndexOf('/') : path.indexOf(':');
  return path.slice(0, end + 1);
}

/** A name like another one, with a number before `_flow` and the suffix: the flow's name comes from it. */
export function numberedName(name: string, number: number): string {
  const end = /(_flow)?(\.[^.]+)?$/.exec(name)?.index ?? name.length;
  return `${name.slice(0, end)}_${number}${name.slice(end)}`;
}

/** The name of a notebook's file for what a user typed, or null if it is not the name of a file. */
export function notebookName(typed: string): string | null {
  const name = typed.trim();
  if (!name || name.startsWith('.') || /[/\\:]/.test(name)) {
    return null;
  }
  return name.endsWith('.ipynb') ? name : `${name}.ipynb`;
}

/** The kernels of a server, by name. */
export interface KernelSpecs {
  readonly default: string;
  readonly kernelspecs: {
    readonly [name: string]: { readonly language: string } | undefined;
  };
}

/** The kernel to convert in, or why there is none. */
export type KernelChoice =
  { readonly name: string } | { readonly problem: 'language' | 'unknown' };

/**
 * Choose the kernel that converts a notebook: the notebook's own, for its packages are there.
 *
 * A notebook without one, or with the one of another machine, gets the only Python kernel, or the default one if it
 * names none; which of several is meant is not known.
 */
export function chooseKernel(
  specs: KernelSpecs,
  asked: string | null,
  language: string | null
): KernelChoice {
  const own = asked === null ? undefined : specs.kernelspecs[asked];
  if (asked !== null && own) {
    return isPython(own.language) ? { name: asked } : { problem: 'language' };
  }
  if (language && !isPython(language)) {
    return { problem: 'language' };
  }
  const pythons = Object.keys(specs.kernelspecs).filter(name =>
    isPython(specs.kernelspecs[name]?.language ?? '')
  );
  if (pythons.length === 1) {
    return { name: pythons[0] };
  }
  return asked === null && pythons.includes(specs.default)
    ? { name: specs.default }
    : { problem: 'unknown' };
}

function isPython(language: string): boolean {
  return /^i?python\d*$/i.test(language);
}

/** Numbers of cells; three or more that follow each other as a range. */
export function cellNumbers(cells: readonly number[]): string {
  const runs: number[][] = [];
  for (const cell of [...cells].sort((one, other) => one - other)) {
    const last = runs[runs.length - 1];
    if (last && last[last.length - 1] === cell - 1) {
      last.push(cell);
    } else {
      runs.push([cell]);
    }
  }
  return runs
    .map(run =>
      run.length > 2 ? `${run[0]}–${run[run.length - 1]}` : run.join(', ')
    )
    .join(', ');
}

/** A place in words. */
export function placeText(place: Place): string {
  if (!place.line) {
    return `cell ${place.cell}`;
  }
  return place.end_line > place.line
    ? `cell ${place.cell}, lines ${place.line}–${place.end_line}`
    : `cell ${place.cell}, line ${place.line}`;
}

/** Places in words, whole cells first. */
export function placesText(places: readonly Place[]): string {
  const whole = places.filter(place => !place.line).map(({ cell }) => cell);
  const texts = places.filter(place => place.line).map(placeText);
  if (whole.length) {
    texts.unshift(
      `${whole.length > 1 ? 'cells' : 'cell'} ${cellNumbers(whole)}`
    );
  }
  return texts.join('; ');
}

/** Whether a conversion that wrote nothing can be repeated without a proof. */
export function isOnlyUnproved(conversion: Conversion): boolean {
  const { findings, verification } = conversion;
  return (
    verification !== null &&
    !verification.verified &&
    findings.every(finding => finding.kind !== 'refused')
  );
}
