import { describe, expect, it } from 'vitest';

import type { StepState } from '../events';
import { codePieces, isState, stateWord, summary } from './states';

const states = (...names: StepState[]): string =>
  summary(names.map(state => ({ state, word: stateWord(state, '') })));

describe('summary', () => {
  it('counts the states with the most urgent first', () => {
    expect(states('fresh', 'failed', 'fresh', 'fresh')).toBe(
      '4 steps · 1 failed · 3 fresh'
    );
    expect(states('never', 'untaken', 'fresh', 'stale', 'running')).toBe(
      '5 steps · 1 running · 1 stale · 1 fresh · 1 not taken · 1 never run'
    );
  });

  it('speaks of one step in the singular and of none without states', () => {
    expect(states('running')).toBe('1 step · 1 running');
    expect(states()).toBe('0 steps');
  });
});

describe('codePieces', () => {
  it('marks text between backticks', () => {
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
  it('knows the states and nothing that objects inherit', () => {
    expect(['never', 'failed', 'done', 'toString', 3].map(isState)).toEqual([
      true,
      true,
      false,
      false,
      false
    ]);
  });
});
