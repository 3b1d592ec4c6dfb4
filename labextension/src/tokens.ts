import type { NotebookPanel } from '@jupyterlab/notebook';
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

import type { DagDrawn, FlowEvent, NodeStatus } from './events';
import type { RunProgress } from './models/progress';
import type { StepStatuses } from './models/statuses';

/** What is known of the flow of one notebook, and the way to its kernel. */
export interface IFlowConnection {
  /** Everything the kernel sends, as it arrives. */
  readonly events: ISignal<IFlowConnection, readonly FlowEvent[]>;

  /** The ids of the cells whose state changed, appeared or vanished. */
  readonly statusesChanged: ISignal<IFlowConnection, ReadonlySet<string>>;

  /** The latest state of each step cell. */
  readonly statuses: StepStatuses;

  /** The active run of the whole flow. */
  readonly progress: RunProgress;

  /** The kernel died or restarts; what it sent is known until all have been called. */
  readonly stopped: ISignal<IFlowConnection, void>;

  /** All steps of a displayed DAG that changed since it was displayed. */
  dagNodes(dag: string): readonly NodeStatus[];

  /** What a displayed DAG ended with, if it did of late. */
  dagDrawn(dag: string): DagDrawn | undefined;

  /**
   * Load flownb into the kernel unless it is there, and wait until the kernel knows the document.
   *
   * Ends also if nothing comes of it.
   */
  connect(): Promise<void>;

  /**
   * Send the document to the kernel at once, also if nothing changed: of several views the last one to send counts.
   *
   * What is sent to the kernel after this call finds the document up to date.
   */
  sendDocument(): void;
}

/** A notebook and its connection. */
export interface IFlowNotebook {
  readonly panel: NotebookPanel;
  readonly connection: IFlowConnection;
}

/** The one door to the kernels: a connection for each open notebook. */
export interface IFlowConnections {
  /** The connection of a notebook; two views of one notebook share theirs. */
  get(panel: NotebookPanel): IFlowConnection;

  /** The notebook that shows a DOM node, for instance an output. */
  find(node: Node): IFlowNotebook | null;
}

export const IFlowConnections = new Token<IFlowConnections>(
  'flownb:IFlowConnections',
  'Gives, for each notebook, the states and events of its flow and a way to its kernel.'
);
