import type { DagChanged, DagDrawn, NodeStatus } from '../events';
import { readNodeStatuses } from '../dag/payload';

const MOST_DAGS = 16;
// They are large; the kernel sends as many to a new view.
const MOST_DRAWN = 4;

/**
 * The latest states of the steps of live DAGs, and what those that ended look like.
 *
 * A patch can come before its picture is drawn, and a picture can be drawn again from its first payload when its cell
 * scrolls back into view; so the patches are kept. Only the DAGs that changed last are, for they may never end.
 */
export class DagPatches {
  apply(event: DagChanged): void {
    const nodes = this._dags.get(event.dag) ?? new Map<string, NodeStatus>();
    for (const node of readNodeStatuses(event.nodes)) {
      nodes.set(node.name, node);
    }
    keepLast(this._dags, event.dag, nodes, MOST_DAGS);
  }

  /** A DAG has its final state. */
  end(event: DagDrawn): void {
    this._dags.delete(event.dag);
    keepLast(this._drawn, event.dag, event, MOST_DRAWN);
  }

  /** What a DAG ended with, or undefined. */
  drawn(dag: string): DagDrawn | undefined {
    return this._drawn.get(dag);
  }

  /** All steps of a DAG that changed since it was displayed. */
  of(dag: string): NodeStatus[] {
    return [...(this._dags.get(dag)?.values() ?? [])];
  }

  clear(): void {
    this._dags.clear();
    this._drawn.clear();
  }

  private _dags = new Map<string, Map<string, NodeStatus>>();
  private _drawn = new Map<string, DagDrawn>();
}

/** Put a value in as the newest, and give up the oldest. */
function keepLast<Value>(
  values: Map<string, Value>,
  key: string,
  value: Value,
  most: number
): void {
  values.delete(key);
  values.set(key, value);
  for (const oldest of values.keys()) {
    if (values.size <= most) {
      break;
    }
    values.delete(oldest);
  }
}
