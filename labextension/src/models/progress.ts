import type { FlowEvent } from '../events';

interface RunningTask {
  step: string;
  index: number | null;
  splits: number | null;
  retrying: boolean;
}

const MOST_STEPS = 3;

/**
 * What goes on in the run of a whole flow, as one line.
 *
 * Times are milliseconds of one clock, which the caller chooses.
 */
export class RunProgress {
  /** The flow whose run goes on, or null. */
  get flow(): string | null {
    return this._flow;
  }

  /** Take an event in. */
  apply(event: FlowEvent, now: number): void {
    switch (event.type) {
      case 'RunStarted':
        this.clear();
        this._flow = event.flow;
        this._run = event.run;
        this._started = now;
        break;
      case 'RunEnded':
        if (this._isOurs(event)) {
          this.clear();
        }
        break;
      case 'TaskStarted':
      case 'TaskRetried':
        if (event.mode === 'run' && this._isOurs(event)) {
          this._running.set(`${event.step}/${event.task}`, {
            step: event.step,
            index: event.index,
            splits: event.num_splits,
            retrying: event.type === 'TaskRetried'
          });
        }
        break;
      case 'TaskEnded':
        if (event.mode === 'run' && this._isOurs(event)) {
          this._running.delete(`${event.step}/${event.task}`);
          if (event.status === 'done') {
            this._done += 1;
          } else {
            this._failed += 1;
          }
        }
        break;
      default:
        break;
    }
  }

  /** The line, such as "Run 7 · 4 tasks done · running train (2 of 3) · 12 s"; empty while nothing runs. */
  text(now: number): string {
    if (this._flow === null) {
      return '';
    }
    const parts = [
      `Run ${this._run}`,
      `${this._done} ${this._done === 1 ? 'task' : 'tasks'} done`
    ];
    if (this._failed) {
      parts.push(`${this._failed} failed`);
    }
    if (this._running.size) {
      parts.push(this._runningText());
    }
    parts.push(duration((now - this._started) / 1000));
    return parts.join(' · ');
  }

  /** Forget the run. */
  clear(): void {
    this._flow = null;
    this._running.clear();
    this._done = 0;
    this._failed = 0;
  }

  private _isOurs(event: { flow: string; run: string }): boolean {
    return event.flow === this._flow && event.run === this._run;
  }

  private _runningText(): string {
    const steps = new Map<string, RunningTask[]>();
    for (const task of this._running.values()) {
      const tasks = steps.get(task.step);
      if (tasks) {
        tasks.push(task);
      } else {
        steps.set(task.step, [task]);
      }
    }
    const names = [...steps].map(([step, tasks]) => step + where(tasks));
    const more = names.length - MOST_STEPS;
    return more > 0
      ? `running ${names.slice(0, MOST_STEPS).join(', ')} and ${more} more`
      : `running ${names.join(', ')}`;
  }

  private _flow: string | null = null;
  private _run = '';
  private _started = 0;
  private _done = 0;
  private _failed = 0;
  private _running = new Map<string, RunningTask>();
}

/** Which of a step's tasks run, in brackets. */
function where(tasks: readonly RunningTask[]): string {
  if (tasks.length > 1) {
    return ` (${tasks.length} tasks)`;
  }
  const { index, splits, retrying } = tasks[0];
  const notes = [];
  if (index !== null) {
    notes.push(splits === null ? `${index + 1}` : `${index + 1} of ${splits}`);
  }
  if (retrying) {
    notes.push('again');
  }
  return notes.length ? ` (${notes.join(', ')})` : '';
}

/** Whole seconds, and minutes above one. */
function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60
    ? `${whole} s`
    : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
