import { describe, expect, it } from 'vitest';

import type { DocumentCell } from '../events';
import { ToldDocument } from './document';

const cell = (id: string, source = id, tags: string[] = []): DocumentCell => ({
  id,
  source,
  tags
});

const notebook = { name: 'nb.ipynb', id: '4a1f' };

describe('ToldDocument', () => {
  it('gives all cells in the first message', () => {
    const cells = [cell('a'), cell('b', 'x', ['t'])];
    expect(new ToldDocument().full(cells, notebook)).toEqual({
      type: 'DocumentChanged',
      notebook,
      order: ['a', 'b'],
      cells
    });
  });

  it('gives all cells again to a kernel that starts anew', () => {
    const told = new ToldDocument();
    told.full([cell('a')], notebook);
    expect(told.full([cell('a')], notebook).cells).toEqual([cell('a')]);
  });

  it('has nothing to say when nothing changed', () => {
    const told = new ToldDocument();
    told.full([cell('a', 'x', ['t'])], notebook);
    expect(told.knows([cell('a', 'x', ['t'])], notebook)).toBe(true);
    expect(told.knows([cell('a', 'x')], notebook)).toBe(false);
    expect(told.knows([], notebook)).toBe(false);
    expect(told.same()).toEqual({
      type: 'DocumentChanged',
      notebook,
      order: ['a'],
      cells: []
    });
  });

  it('gives the order and only the cells whose text or tags changed', () => {
    const told = new ToldDocument();
    told.full([cell('a'), cell('b'), cell('c')], notebook);
    expect(
      told.delta([cell('a'), cell('b', 'new'), cell('c')], notebook)
    ).toEqual({
      type: 'DocumentChanged',
      notebook,
      order: ['a', 'b', 'c'],
      cells: [cell('b', 'new')]
    });
    expect(
      told.delta([cell('a'), cell('b', 'new'), cell('c', 'c', ['t'])], notebook)
        .cells
    ).toEqual([cell('c', 'c', ['t'])]);
    expect(
      told.delta([cell('a'), cell('b', 'new'), cell('c', 'c', ['t'])], notebook)
        .cells
    ).toEqual([]);
  });

  it('gives a new order without cells after a move or a deletion', () => {
    const told = new ToldDocument();
    told.full([cell('a'), cell('b'), cell('c')], notebook);
    expect(told.delta([cell('b'), cell('a'), cell('c')], notebook)).toEqual({
      type: 'DocumentChanged',
      notebook,
      order: ['b', 'a', 'c'],
      cells: []
    });
    expect(told.delta([cell('b'), cell('c')], notebook)).toEqual({
      type: 'DocumentChanged',
      notebook,
      order: ['b', 'c'],
      cells: []
    });
  });

  it('gives a cell again that was deleted and comes back', () => {
    const told = new ToldDocument();
    told.full([cell('a'), cell('b')], notebook);
    told.delta([cell('a')], notebook);
    expect(told.delta([cell('a'), cell('b')], notebook).cells).toEqual([
      cell('b')
    ]);
  });

  it('gives the name after a rename, and the id once there is one', () => {
    const told = new ToldDocument();
    told.full([cell('a')], { name: 'Untitled.ipynb', id: '' });
    for (const facts of [
      { name: 'Untitled.ipynb', id: '4a1f' },
      { name: 'train.ipynb', id: '4a1f' }
    ]) {
      expect(told.knows([cell('a')], facts)).toBe(false);
      expect(told.delta([cell('a')], facts)).toEqual({
        type: 'DocumentChanged',
        notebook: facts,
        order: ['a'],
        cells: []
      });
      expect(told.same().notebook).toEqual(facts);
    }
  });
});
