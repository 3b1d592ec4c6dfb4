/*
 * How tasks are counted, and how times and rates are written: the rules of Python's `flownb/session/progress.py`. Both are
 * tested with the vectors in `src/vectors`, which Python writes.
 */

/** How many tasks of a run have ended in which way. */
export interface TaskCounts {
  done: number;
  cloned: number;
  failed: number;
  interrupted: number;
}

// Seconds that a rate looks back, and the fewest tasks and seconds that make one.
const WINDOW = 5;
const FEWEST = 3;
const SHORTEST = 1;

/** The counts in words, such as "41 tasks done" and "1 failed". */
export function counts(tasks: Readonly<TaskCounts>): string[] {
  const others = (['cloned', 'failed', 'interrupted'] as const).filter(
    word => tasks[word] > 0
  );
  return [
    `${tasks.done} ${tasks.done === 1 ? 'task' : 'tasks'} done`,
    ...others.map(word => `${tasks[word]} ${word}`)
  ];
}

/** Seconds as a person reads them: "0.4 s", "12 s", "2 min 5 s", "1 h 4 min". */
export function duration(seconds: number): string {
  if (seconds < 9.95) {
    return `${rounded(Math.max(seconds, 0), 1)} s`;
  }
  const whole = Math.floor(seconds + 0.5);
  if (whole < 60) {
    return `${whole} s`;
  }
  if (whole < 3600) {
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Tasks a second, a minute or an hour, whichever is a number of one or more: "12/s", "3.4/min". */
export function rateText(rate: number): string {
  const units: [string, number][] = [
    ['s', 1],
    ['min', 60],
    ['h', 3600]
  ];
  const [unit, seconds] =
    units.find(([, each]) => rate * each >= 1) ?? units[units.length - 1];
  const number = rate * seconds;
  return `${rounded(number, number >= 9.95 ? 0 : 1)}/${unit}`;
}

/** How fast the tasks of foreachs go: in the last seconds, else since the first one began. Times are seconds. */
export class TaskRate {
  /** A task begins. */
  begin(now: number): void {
    this._began ??= now;
  }

  /** A task ended. */
  ended(): void {
    this._executed += 1;
  }

  /** The rate in words, or nothing while it says nothing. */
  text(now: number): string {
    this._samples.push([now, this._executed]);
    while (this._samples.length > 2 && now - this._samples[1][0] >= WINDOW) {
      this._samples.shift();
    }
    const rate = this._rate(now);
    return rate === null ? '' : rateText(rate);
  }

  private _rate(now: number): number | null {
    const [since, before] = this._samples[0];
    if (now - since >= SHORTEST && this._executed - before >= FEWEST) {
      return (this._executed - before) / (now - since);
    }
    if (
      this._began === null ||
      this._executed < FEWEST ||
      now - this._began < SHORTEST
    ) {
      return null;
    }
    return this._executed / (now - this._began);
  }

  private _began: number | null = null;
  private _executed = 0;
  private _samples: [number, number][] = [];
}

/** A number with `places` decimal places; halves go up. */
function rounded(number: number, places: number): string {
  const scale = 10 ** places;
  return (Math.floor(number * scale + 0.5) / scale).toFixed(places);
}
