import { tagsOf } from './models/cells';
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
      ? // Without a kernel, the cell says it.
        stepOf(
          cell.model.sharedModel.getSource(),
          tagsOf(cell.model.sharedModel)
        ) === step
      : cell.model.id === id
  );
  if (index < 0) {
    return false;
  }
  notebook.deselectAll();
  notebook.mode = 'command';
  notebook.activeCellIndex = index;
  // Not `scrollToCell`, which then puts the cursor into the cell.
  notebook.scrollToItem(index, 'smart').catch(() => {
    // Something else was scrolled to meanwhile.
  });
  return true;
}
