import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import type { Cell, ICellModel } from '@jupyterlab/cells';
import {
  INotebookTracker,
  Notebook,
  NotebookPanel
} from '@jupyterlab/notebook';
import type { IObservableList } from '@jupyterlab/observables';

import { StepBadge } from '../badge';
import { IFlowConnection, IFlowConnections } from '../tokens';

const HEADER_SELECTOR = ':scope > .jp-CellHeader';
const BADGED_CLASS = 'flownb-mod-badged';

/** Shows the state of each step above its cell. */
export const badgesPlugin: JupyterFrontEndPlugin<void> = {
  id: 'flownb:badges',
  description: 'Shows the name and the state of each step above its cell.',
  autoStart: true,
  requires: [INotebookTracker, IFlowConnections],
  activate: (
    _: JupyterFrontEnd,
    tracker: INotebookTracker,
    connections: IFlowConnections
  ) => {
    const add = (panel: NotebookPanel): void => {
      new NotebookBadges(panel.content, connections.get(panel));
    };
    tracker.forEach(add);
    tracker.widgetAdded.connect((_, panel) => add(panel));
  }
};

/** The badges of one notebook's cells. */
class NotebookBadges {
  constructor(
    private _notebook: Notebook,
    private _connection: IFlowConnection
  ) {
    _connection.statusesChanged.connect(this._onStatusesChanged, this);
    _notebook.modelChanged.connect(this._onModelChanged, this);
    _notebook.disposed.connect(() => {
      _connection.statusesChanged.disconnect(this._onStatusesChanged, this);
    });
    this._onModelChanged();
  }

  private _onStatusesChanged(_: unknown, cells: ReadonlySet<string>): void {
    for (const cell of this._notebook.widgets) {
      if (cells.has(cell.model.id)) {
        this._show(cell);
      }
    }
  }

  private _onModelChanged(): void {
    // The notebook listened first, so its widgets are there when this class is called.
    this._notebook.model?.cells.changed.connect(this._onCellsChanged, this);
    this._notebook.widgets.forEach(cell => this._show(cell));
  }

  /** A cell that was moved, or whose type changed, is a new widget. */
  private _onCellsChanged(
    _: unknown,
    { type, newIndex, newValues }: IObservableList.IChangedArgs<ICellModel>
  ): void {
    if (type === 'add' || type === 'set') {
      this._notebook.widgets
        .slice(newIndex, newIndex + newValues.length)
        .forEach(cell => this._show(cell));
    }
  }

  private _show(cell: Cell): void {
    if (cell.isDisposed) {
      return;
    }
    const status = this._connection.statuses.get(cell.model.id);
    let badge = this._badges.get(cell);
    if (!status) {
      if (badge) {
        badge.node.parentElement?.classList.remove(BADGED_CLASS);
        badge.node.remove();
        this._badges.delete(cell);
      }
      return;
    }
    if (!badge) {
      const header = cell.node.querySelector(HEADER_SELECTOR);
      if (!header) {
        // A cell far below is an empty node until it scrolls into view.
        this._showWhenReady(cell);
        return;
      }
      badge = new StepBadge();
      header.classList.add(BADGED_CLASS);
      header.append(badge.node);
      this._badges.set(cell, badge);
    }
    badge.show(status);
  }

  private _showWhenReady(cell: Cell): void {
    if (this._waiting.has(cell)) {
      return;
    }
    this._waiting.add(cell);
    cell.ready.then(
      () => {
        this._waiting.delete(cell);
        this._show(cell);
      },
      () => {
        // The cell was disposed before it came into view.
      }
    );
  }

  private _badges = new WeakMap<Cell, StepBadge>();
  private _waiting = new WeakSet<Cell>();
}
