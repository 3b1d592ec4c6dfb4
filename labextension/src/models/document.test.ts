import { describe, expect, it } from 'vitest';

import type { DocumentCell } from '../events';
import { ToldDocument } from './document';

const cell = (id: string, source = id, tags: string[] = []): DocumentCell => ({
  id,
  source,
  tags
});

describe('ToldDocument', () => {
  it('gives all cells in the first message', () => {
    const cells = [cell('a'), cell('b', 'x', ['t'])];
    expect(new ToldDocument().full(cells)).toEqual({
      type: 'DocumentChanged',
      order: ['a', 'b'],
      cells
    });
  });

  it('gives all cells again to a kernel that starts anew', () => {
    const told = new ToldDocument();
    told.full([cell('a')]);
    expect(told.full([cell('a')]).cells).toEqual([cell('a')]);
  });

  it('has nothing to say when nothing changed', () => {
    const told = new ToldDocument();
    told.full([cell('a', 'x', ['t'])]);
    expect(told.knows([cell('a', 'x', ['t'])])).toBe(true);
    expect(told.knows([cell('a', 'x')])).toBe(false);
    expect(told.knows([])).toBe(false);
    expect(told.same()).toEqual({
      type: 'DocumentChanged',
      order: ['a'],
      cells: []
    });
  });

  it('gives the order and only the cells whose text or tags changed', () => {
    const told = new ToldDocument();
    told.full([cell('a'), cell('b'), cell('c')]);
    expect(told.delta([cell('a'), cell('b', 'new'), cell('c')])).toEqual({
      type: 'DocumentChanged',
      order: ['a', 'b', 'c'],
      cells: [cell('b', 'new')]
    });
    expect(
      told.delta([cell('a'), cell('b', 'new'), cell('c', 'c', ['t'])]).cells
    ).toEqual([cell('c', 'c', ['t'])]);
    expect(
      told.delta([cell('a'), cell('b', 'new'), cell('c', 'c', ['t'])]).cells
    ).toEqual([]);
  });

  it('gives a new order without cells after a move or a deletion', () => {
    const told = new ToldDocument();
    told.full([cell('a'), cell('b'), cell('c')]);
    expect(told.delta([cell('b'), cell('a'), cell('c')])).toEqual({
      type: 'DocumentChanged',
      order: ['b', 'a', 'c'],
      cells: []
    });
    expect(told.delta([cell('b'), cell('c')])).toEqual({
      type: 'DocumentChanged',
      order: ['b', 'c'],
      cells: []
    });
  });

  it('gives a cell again that was deleted and comes back', () => {
    const told = new ToldDocument();
    told.full([cell('a'), cell('b')]);
    told.delta([cell('a')]);
    expect(told.delta([cell('a'), cell('b')]).cells).toEqual([cell('b')]);
  });
});
