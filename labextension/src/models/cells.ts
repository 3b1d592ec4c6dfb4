import type { INotebookModel } from '@jupyterlab/notebook';

/** The tags of a cell, whatever its metadata contains. */
export function tagsOf(
  cell: INotebookModel['sharedModel']['cells'][number]
): string[] {
  const tags: unknown = cell.getMetadata('tags');
  return Array.isArray(tags) ? tags.map(String) : [];
}
