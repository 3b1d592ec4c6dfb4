import { describe, expect, it } from 'vitest';

import { idIn, withId } from './notebook';

describe('idIn', () => {
  it('reads the id of a notebook that has one', () => {
    expect(idIn({ id: '4a1f', other: 1 })).toBe('4a1f');
  });

  it('finds none in metadata of another shape', () => {
    for (const metadata of [undefined, null, 'x', [], {}, { id: 7 }]) {
      expect(idIn(metadata)).toBe('');
    }
  });
});

describe('withId', () => {
  it('keeps what else the metadata holds', () => {
    expect(withId({ other: 1, id: 'old' }, 'new')).toEqual({
      other: 1,
      id: 'new'
    });
  });

  it('replaces metadata of another shape', () => {
    expect(withId(['x'], 'new')).toEqual({ id: 'new' });
    expect(withId(undefined, 'new')).toEqual({ id: 'new' });
  });
});
