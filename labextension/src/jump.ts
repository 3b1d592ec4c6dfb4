import type { NotebookPanel } from '@jupyterlab/notebook';

import { stepOf } from './models/steps';
import type { IFlowNotebook } from './tokens';

/** Scroll to the cell of a step and select it; says whether there is one. */
export function jumpToStep(
  { panel, connection }: IFlowNotebook,
  step: string
): boolean {
  const id = connection.statuses.cellOf(step);
  const notebook = panel.content;
  const index = notebook.widgets.findIndex(cell =>
    id === undefined
      ? // Without a kernel, the step's line says it.
        stepOf(cell.model.sharedModel.getSource()) === step
      : cell.model.id === id
  );
  if (index < 0) {
    return false;
  }
  select(panel, index);
  return true;
}

function select(panel: NotebookPanel, index: number): void {
  const notebook = panel.content;
  notebook.deselectAll();
  notebook.mode = 'command';
  notebook.activeCellIndex = index;
  void notebook.scrollToCell(notebook.widgets[index], 'smart');
  notebook.activate();
}
