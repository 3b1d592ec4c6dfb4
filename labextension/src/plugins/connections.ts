import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import {
  INotebookModel,
  INotebookTracker,
  NotebookActions,
  NotebookPanel
} from '@jupyterlab/notebook';

import { FlowConnection } from '../connection';
import { IFlowConnections, IFlowNotebook } from '../tokens';

/** Opens a connection for each notebook. */
export const connectionsPlugin: JupyterFrontEndPlugin<IFlowConnections> = {
  id: 'flownb:connections',
  description: 'Connects each notebook with the flow in its kernel.',
  autoStart: true,
  requires: [INotebookTracker],
  provides: IFlowConnections,
  activate: (_: JupyterFrontEnd, tracker: INotebookTracker) => {
    const connections = new FlowConnections(tracker);
    tracker.forEach(panel => void connections.get(panel));
    tracker.widgetAdded.connect((_, panel) => void connections.get(panel));
    // It fires before the execute request is sent, so the kernel knows the document when it runs the cell.
    NotebookActions.executionScheduled.connect((_, { notebook }) => {
      const panel = tracker.find(panel => panel.content === notebook);
      if (panel) {
        connections.get(panel).sendDocument();
      }
    });
    return connections;
  }
};

class FlowConnections implements IFlowConnections {
  constructor(private _tracker: INotebookTracker) {}

  get(panel: NotebookPanel): FlowConnection {
    const context = panel.context;
    let connection = this._connections.get(context);
    if (!connection) {
      connection = new FlowConnection(context);
      this._connections.set(context, connection);
    }
    return connection;
  }

  find(node: Node): IFlowNotebook | null {
    const panel = this._tracker.find(panel => panel.node.contains(node));
    return panel ? { panel, connection: this.get(panel) } : null;
  }

  private _connections = new WeakMap<
    DocumentRegistry.IContext<INotebookModel>,
    FlowConnection
  >();
}
