import { describe, expect, it } from 'vitest';

import { codePieces, isState, summary } from './states';

describe('summary', () => {
  it('counts the states with the most urgent first', () => {
    expect(summary(['fresh', 'failed', 'fresh', 'fresh'])).toBe(
      '4 steps · 1 failed · 3 fresh'
    );
    expect(summary(['never', 'fresh', 'stale', 'running', 'failed'])).toBe(
      '5 steps · 1 failed · 1 running · 1 stale · 1 fresh · 1 never run'
    );
  });

  it('speaks of one step in the singular and of none without states', () => {
    expect(summary(['running'])).toBe('1 step · 1 running');
    expect(summary([])).toBe('0 steps');
  });
});

describe('codePieces', () => {
  it('marks what stands between backticks', () => {
    expect(codePieces('`clean` changed')).toEqual([
      ['clean', true],
      [' changed', false]
    ]);
  });

  it('keeps a backtick that has no partner', () => {
    expect(codePieces('a `b')).toEqual([['a `b', false]]);
    expect(codePieces('')).toEqual([]);
  });
});

describe('isState', () => {
  it('knows the five states and nothing that objects inherit', () => {
    expect(['never', 'failed', 'done', 'toString', 3].map(isState)).toEqual([
      true,
      true,
      false,
      false,
      false
    ]);
  });
});
