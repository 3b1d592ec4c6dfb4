/** A code cell as the kernel needs to know it. */
export interface DocumentCell {
  id: string;
  source: string;
  tags: string[];
}

/**
 * What the view tells the kernel of the document: the order of all code cells, and those whose text or tags are not
 * what the last message said.
 */
export interface DocumentChanged {
  type: 'DocumentChanged';
  order: string[];
  cells: DocumentCell[];
}

/** Remembers what the kernel was told of the document, and says what it does not know yet. */
export class ToldDocument {
  /** The whole document; from now on the kernel knows it. */
  full(cells: readonly DocumentCell[]): DocumentChanged {
    this._order = [];
    this._cells.clear();
    return this._tell(cells);
  }

  /** What changed since the last message, or null if nothing did; from now on the kernel knows it. */
  delta(cells: readonly DocumentCell[]): DocumentChanged | null {
    const sameOrder =
      cells.length === this._order.length &&
      cells.every((cell, index) => cell.id === this._order[index]);
    return sameOrder && cells.every(cell => this._knows(cell))
      ? null
      : this._tell(cells);
  }

  private _tell(cells: readonly DocumentCell[]): DocumentChanged {
    const changed = cells.filter(cell => !this._knows(cell));
    this._order = cells.map(cell => cell.id);
    this._cells = new Map(cells.map(cell => [cell.id, cell]));
    return { type: 'DocumentChanged', order: this._order, cells: changed };
  }

  private _knows(cell: DocumentCell): boolean {
    const told = this._cells.get(cell.id);
    return (
      told !== undefined &&
      told.source === cell.source &&
      told.tags.length === cell.tags.length &&
      told.tags.every((tag, index) => tag === cell.tags[index])
    );
  }

  private _order: string[] = [];
  private _cells = new Map<string, DocumentCell>();
}
