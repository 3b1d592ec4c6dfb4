import type {
  FlowEvent,
  TaskCloned,
  TaskEnded,
  TaskRetried,
  TaskStarted
} from '../events';
import { TaskCounts, TaskRate, counts, duration } from './tally';

interface RunningTask {
  step: string;
  index: number | null;
  splits: number | null;
  retrying: boolean;
}

/** How far one step is: `foreachs` names those that have begun, `items` counts theirs. */
interface StepCount {
  over: number;
  items: number;
  foreachs: Set<string>;
}

const MOST_STEPS = 3;

/**
 * How far the run of a whole flow is, as one line.
 *
 * Times are milliseconds of one clock, which the caller chooses.
 */
export class RunProgress {
  /** The flow whose run is active, or null. */
  get flow(): string | null {
    return this._flow;
  }

  /** The active run, or an empty text. */
  get run(): string {
    return this._flow === null ? '' : this._run;
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
          this._count(event, 0);
          if (event.index !== null) {
            this._rate.begin(now / 1000);
          }
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
          this._count(event, 1);
          this._tasks[event.status] += 1;
          if (event.index !== null) {
            this._rate.ended();
          }
        }
        break;
      case 'TaskCloned':
        if (this._isOurs(event)) {
          this._count(event, 1);
          this._tasks.cloned += 1;
        }
        break;
      default:
        break;
    }
  }

  /** The line, such as "Run 7 · 4 tasks done · running train (2 of 3) · 12 s"; empty while no run is active. */
  text(now: number): string {
    if (this._flow === null) {
      return '';
    }
    const parts = [`Run ${this._run}`, ...counts(this._tasks)];
    if (this._running.size) {
      parts.push(this._runningText());
    }
    const rate = this._rate.text(now / 1000);
    if (rate) {
      parts.push(rate);
    }
    parts.push(duration((now - this._started) / 1000));
    return parts.join(' · ');
  }

  /** Forget the run. */
  clear(): void {
    this._flow = null;
    this._running.clear();
    this._steps.clear();
    this._rate = new TaskRate();
    this._tasks = { done: 0, cloned: 0, failed: 0, interrupted: 0 };
  }

  private _isOurs(event: { flow: string; run: string }): boolean {
    return event.flow === this._flow && event.run === this._run;
  }

  /** Count a step's tasks that are over, and all that its foreachs have. */
  private _count(
    event: TaskStarted | TaskRetried | TaskEnded | TaskCloned,
    over: number
  ): void {
    let step = this._steps.get(event.step);
    if (!step) {
      step = { over: 0, items: 0, foreachs: new Set() };
      this._steps.set(event.step, step);
    }
    step.over += over;
    const foreach = event.outer.join('/');
    if (event.num_splits !== null && !step.foreachs.has(foreach)) {
      step.foreachs.add(foreach);
      step.items += event.num_splits;
    }
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
    const names = [...steps].map(
      ([step, tasks]) => step + where(tasks, this._steps.get(step))
    );
    const more = names.length - MOST_STEPS;
    return more > 0
      ? `running ${names.slice(0, MOST_STEPS).join(', ')} and ${more} more`
      : `running ${names.join(', ')}`;
  }

  private _flow: string | null = null;
  private _run = '';
  private _started = 0;
  private _tasks: TaskCounts = {
    done: 0,
    cloned: 0,
    failed: 0,
    interrupted: 0
  };
  private _rate = new TaskRate();
  private _steps = new Map<string, StepCount>();
  private _running = new Map<string, RunningTask>();
}

/** Which of a step's tasks run, in brackets. */
function where(tasks: readonly RunningTask[], step?: StepCount): string {
  if (tasks.length > 1) {
    const known = step && step.over + tasks.length <= step.items;
    const far = known ? `${step.over} of ${step.items} done, ` : '';
    return ` (${far}${tasks.length} at once)`;
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
