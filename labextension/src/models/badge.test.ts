import { describe, expect, it } from 'vitest';

import { badgeText } from './badge';

describe('badgeText', () => {
  it('says the state in words and keeps code marks for the eye only', () => {
    expect(
      badgeText({
        cell: 'c',
        step: 'train',
        state: 'stale',
        detail: '`clean` changed',
        title: 'Step train is stale: `clean` changed.'
      })
    ).toEqual({
      step: 'train',
      state: 'stale',
      detail: '`clean` changed',
      tooltip: 'Step train is stale: `clean` changed.',
      label: 'Step train: stale, clean changed'
    });
  });

  it('has no comma without a detail', () => {
    expect(
      badgeText({
        cell: 'c',
        step: 'end',
        state: 'never',
        detail: '',
        title: ''
      }).label
    ).toBe('Step end: never run');
  });
});
