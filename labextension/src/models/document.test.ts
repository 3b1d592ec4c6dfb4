import { describe, expect, it } from 'vitest';

import type { DocumentCell } from '../events';
import { SentDocument } from './document';

const cell = (id: string, source = id, tags: string[] = []): DocumentCell => ({
  id,
  source,
  tags
});

const notebook = { name: 'nb.ipynb', id: '4a1f' };

describe('SentDocument', () => {
  it('gives all cells in the first message', () => {
    const cells = [cell('a'), cell('b', 'x', ['t'])];
    expect(new SentDocument().full(cells, notebook)).toEqual({
      type: 'DocumentChanged',
      notebook,
      order: ['a', 'b'],
      cells
    });
  });

  it('gives all cells again to a kernel that was restarted', () => {
    const sent = new SentDocument();
    sent.full([cell('a')], notebook);
    expect(sent.full([cell('a')], notebook).cells).toEqual([cell('a')]);
  });

  it('has nothing to say when nothing changed', () => {
    const sent = new SentDocument();
    sent.full([cell('a', 'x', ['t'])], notebook);
    expect(sent.knows([cell('a', 'x', ['t'])], notebook)).toBe(true);
    expect(sent.knows([cell('a', 'x')], notebook)).toBe(false);
    expect(sent.knows([], notebook)).toBe(false);
    expect(sent.same()).toEqual({
      type: 'DocumentChanged',
      notebook,
      order: ['a'],
      cells: []
    });
  });

  it('gives the order and only the cells whose text or tags changed', () => {
    const sent = new SentDocument();
    sent.full([cell('a'), cell('b'), cell('c')], notebook);
    expect(
      sent.delta([cell('a'), cell('b', 'new'), cell('c')], notebook)
    ).toEqual({
      type: 'DocumentChanged',
      notebook,
      order: ['a', 'b', 'c'],
      cells: [cell('b', 'new')]
    });
    expect(
      sent.delta([cell('a'), cell('b', 'new'), cell('c', 'c', ['t'])], notebook)
        .cells
    ).toEqual([cell('c', 'c', ['t'])]);
    expect(
      sent.delta([cell('a'), cell('b', 'new'), cell('c', 'c', ['t'])], notebook)
        .cells
    ).toEqual([]);
  });

  it('gives a new order without cells after a move or a deletion', () => {
    const sent = new SentDocument();
    sent.full([cell('a'), cell('b'), cell('c')], notebook);
    expect(sent.delta([cell('b'), cell('a'), cell('c')], notebook)).toEqual({
      type: 'DocumentChanged',
      notebook,
      order: ['b', 'a', 'c'],
      cells: []
    });
    expect(sent.delta([cell('b'), cell('c')], notebook)).toEqual({
      type: 'DocumentChanged',
      notebook,
      order: ['b', 'c'],
      cells: []
    });
  });

  it('gives a cell again that was deleted and comes back', () => {
    const sent = new SentDocument();
    sent.full([cell('a'), cell('b')], notebook);
    sent.delta([cell('a')], notebook);
    expect(sent.delta([cell('a'), cell('b')], notebook).cells).toEqual([
      cell('b')
    ]);
  });

  it('gives the name after a rename, and the id once there is one', () => {
    const sent = new SentDocument();
    sent.full([cell('a')], { name: 'Untitled.ipynb', id: '' });
    for (const facts of [
      { name: 'Untitled.ipynb', id: '4a1f' },
      { name: 'train.ipynb', id: '4a1f' }
    ]) {
      expect(sent.knows([cell('a')], facts)).toBe(false);
      expect(sent.delta([cell('a')], facts)).toEqual({
        type: 'DocumentChanged',
        notebook: facts,
        order: ['a'],
        cells: []
      });
      expect(sent.same().notebook).toEqual(facts);
    }
  });
});
