import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import {
  INotebookTracker,
  NotebookActions,
  NotebookPanel
} from '@jupyterlab/notebook';
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';
import type { PanelLayout } from '@lumino/widgets';

import { ResultArea } from '../result';
import { IFlowConnections } from '../tokens';

/** The names of the commands. */
export namespace CommandIDs {
  /** Execute the step of the active cell on a copy of its inputs, recording nothing. */
  export const spinStep = 'flownb:spin-step';
  /** Run the whole flow. */
  export const runFlow = 'flownb:run-flow';
}

/** Spins a step or runs the flow from the keyboard. Its id is that of `schema/plugin.json`, which holds the shortcuts. */
export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'flownb:plugin',
  description: 'Adds commands that spin a step or run the flow.',
  autoStart: true,
  requires: [INotebookTracker, IFlowConnections],
  optional: [ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    connections: IFlowConnections,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('flownb');
    const results = new Results(connections, trans);
    const isEnabled = (): boolean => tracker.currentWidget !== null;

    app.commands.addCommand(CommandIDs.spinStep, {
      label: trans.__('Spin the Step of the Active Cell'),
      caption: trans.__(
        'Execute the step of the active cell without recording it'
      ),
      isEnabled,
      execute: async () => {
        const panel = tracker.currentWidget;
        const cell = panel?.content.activeCell;
        if (!panel || !cell) {
          return;
        }
        if (cell.model.type !== 'code') {
          advise(
            trans.__(
              'The active cell has no code, so there is no step to spin. Select the cell of a step and try again.'
            )
          );
          return;
        }
        await results.execute(
          panel,
          cell,
          trans.__('spin · not recorded'),
          `from flownb.magics.shortcuts import spin_cell; spin_cell(${JSON.stringify(cell.model.id)})`
        );
      }
    });
    app.commands.addCommand(CommandIDs.runFlow, {
      label: trans.__('Run the Flow'),
      caption: trans.__('Run all steps of the flow of this notebook'),
      isEnabled,
      execute: async () => {
        const panel = tracker.currentWidget;
        const cell = panel?.content.activeCell;
        if (panel && cell) {
          await results.execute(
            panel,
            cell,
            trans.__('run'),
            'from flownb.magics.shortcuts import run_flow; run_flow()'
          );
        }
      }
    });
    for (const command of Object.values(CommandIDs)) {
      palette?.addItem({ command, category: 'flownb' });
    }
    // A cell that is executed shows its own result.
    NotebookActions.executionScheduled.connect((_, { cell }) => {
      results.remove(cell);
    });
  }
};

/** Say what to do instead, where the user looks; it stays in the notification centre. */
function advise(text: string): void {
  Notification.warning(text, { autoClose: 8000 });
}

/** At most one result below each cell. */
class Results {
  constructor(
    private _connections: IFlowConnections,
    private _trans: TranslationBundle
  ) {}

  /** Save the notebook, execute code that belongs to no cell, and show below a cell what comes of it. */
  async execute(
    panel: NotebookPanel,
    cell: Cell,
    label: string,
    code: string
  ): Promise<void> {
    const { sessionContext } = panel;
    if (sessionContext.pendingInput) {
      advise(
        this._trans.__(
          'The kernel waits for input. Answer it first, then try again.'
        )
      );
      return;
    }
    if (!sessionContext.session?.kernel) {
      advise(
        this._trans.__(
          'This notebook has no kernel. Choose one with Kernel › Change Kernel… and try again.'
        )
      );
      return;
    }
    await this._save(panel);
    // Saving takes time, in which the kernel may have gone.
    const kernel = sessionContext.session?.kernel;
    if (!kernel || cell.isDisposed) {
      return;
    }
    const connection = this._connections.get(panel);
    this.remove(cell);
    const area = new ResultArea(panel, label, this._trans);
    this._areas.set(cell, area);
    (cell.layout as PanelLayout).addWidget(area);
    area.node.scrollIntoView({ block: 'nearest' });
    await area.execute(kernel, code, async () => {
      // A kernel that knows no document would run what is in the file.
      await connection.connect();
      connection.sendDocument();
    });
  }

  remove(cell: Cell): void {
    this._areas.get(cell)?.dispose();
    this._areas.delete(cell);
  }

  private async _save({ context }: NotebookPanel): Promise<void> {
    if (!context.model.dirty) {
      return;
    }
    let isSaved = context.contentsModel?.writable !== false;
    if (isSaved) {
      try {
        await context.save();
      } catch {
        isSaved = false;
      }
    }
    if (!isSaved) {
      advise(
        this._trans.__(
          'The notebook could not be saved. What runs is what you see here, not what is in the file.'
        )
      );
    }
  }

  private _areas = new WeakMap<Cell, ResultArea>();
}
