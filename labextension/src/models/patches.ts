import type { DagChanged, NodeStatus } from '../events';
import { readNodeStatuses } from '../dag/payload';

const MOST_DAGS = 16;

/**
 * The latest states of the steps of live DAGs.
 *
 * A patch can come before its picture is drawn, and a picture can be drawn anew from its first payload when its cell
 * scrolls back into view; so the patches are kept. Only the DAGs that changed last are, for they may never end.
 */
export class DagPatches {
  apply(event: DagChanged): void {
    const nodes = this._dags.get(event.dag) ?? new Map<string, NodeStatus>();
    for (const node of readNodeStatuses(event.nodes)) {
      nodes.set(node.name, node);
    }
    this._dags.delete(event.dag);
    this._dags.set(event.dag, nodes);
    for (const oldest of this._dags.keys()) {
      if (this._dags.size <= MOST_DAGS) {
        break;
      }
      this._dags.delete(oldest);
    }
  }

  /** All steps of a DAG that changed since it was displayed. */
  of(dag: string): NodeStatus[] {
    return [...(this._dags.get(dag)?.values() ?? [])];
  }

  clear(): void {
    this._dags.clear();
  }

  private _dags = new Map<string, Map<string, NodeStatus>>();
}
