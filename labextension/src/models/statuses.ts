import type { StepStatus, StepsChanged } from '../events';
import { isState } from './states';

/** The latest state of each step cell, by the cell's id. */
export class StepStatuses {
  get(cell: string): StepStatus | undefined {
    return this._statuses.get(cell);
  }

  /** The cell that defines a step. */
  cellOf(step: string): string | undefined {
    for (const status of this._statuses.values()) {
      if (status.step === step) {
        return status.cell;
      }
    }
    return undefined;
  }

  /** Apply a message; return the ids of the cells whose badge must change. */
  apply(event: StepsChanged): Set<string> {
    const changed = new Set<string>();
    const gone = new Set(event.whole ? this._statuses.keys() : []);
    for (const status of event.steps) {
      if (status.step === '' || !isState(status.state)) {
        if (this._statuses.delete(status.cell)) {
          changed.add(status.cell);
        }
        gone.delete(status.cell);
        continue;
      }
      gone.delete(status.cell);
      if (!sameStatus(this._statuses.get(status.cell), status)) {
        this._statuses.set(status.cell, status);
        changed.add(status.cell);
      }
    }
    for (const cell of gone) {
      this._statuses.delete(cell);
      changed.add(cell);
    }
    return changed;
  }

  /** Forget everything; return the ids of the cells that had a badge. */
  clear(): Set<string> {
    const cells = new Set(this._statuses.keys());
    this._statuses.clear();
    return cells;
  }

  private _statuses = new Map<string, StepStatus>();
}

function sameStatus(one: StepStatus | undefined, other: StepStatus): boolean {
  return (
    one !== undefined &&
    one.step === other.step &&
    one.state === other.state &&
    one.detail === other.detail &&
    one.title === other.title
  );
}
