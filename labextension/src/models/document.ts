import type { DocumentCell, DocumentChanged, NotebookFacts } from '../events';

/** Remembers what the kernel was sent of the document, and returns what it does not know yet. */
export class SentDocument {
  /** The whole document; from now on the kernel knows it. */
  full(
    cells: readonly DocumentCell[],
    notebook: NotebookFacts
  ): DocumentChanged {
    this._order = [];
    this._cells.clear();
    return this._tell(cells, notebook);
  }

  /** The order of all cells and those that changed since the last message; from now on the kernel knows it. */
  delta(
    cells: readonly DocumentCell[],
    notebook: NotebookFacts
  ): DocumentChanged {
    return this._tell(cells, notebook);
  }

  /** That nothing changed since the last message. */
  same(): DocumentChanged {
    return {
      type: 'DocumentChanged',
      notebook: this._notebook,
      order: this._order,
      cells: []
    };
  }

  /** Whether the last message said all this. */
  knows(cells: readonly DocumentCell[], notebook: NotebookFacts): boolean {
    return (
      notebook.name === this._notebook.name &&
      notebook.id === this._notebook.id &&
      cells.length === this._order.length &&
      cells.every(
        (cell, index) => cell.id === this._order[index] && this._knows(cell)
      )
    );
  }

  private _tell(
    cells: readonly DocumentCell[],
    notebook: NotebookFacts
  ): DocumentChanged {
    const changed = cells.filter(cell => !this._knows(cell));
    this._order = cells.map(cell => cell.id);
    this._cells = new Map(cells.map(cell => [cell.id, cell]));
    this._notebook = notebook;
    return {
      type: 'DocumentChanged',
      notebook,
      order: this._order,
      cells: changed
    };
  }

  private _knows(cell: DocumentCell): boolean {
    const sent = this._cells.get(cell.id);
    return (
      sent !== undefined &&
      sent.source === cell.source &&
      sent.tags.length === cell.tags.length &&
      sent.tags.every((tag, index) => tag === cell.tags[index])
    );
  }

  private _notebook: NotebookFacts = { name: '', id: '' };
  private _order: string[] = [];
  private _cells = new Map<string, DocumentCell>();
}
