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

  it('says of a step that was stopped that it was interrupted', () => {
    const text = badgeText({
      cell: 'c',
      step: 'train',
      state: 'failed',
      detail: 'interrupted',
      title: ''
    });
    expect([text.state, text.detail, text.label]).toEqual([
      'interrupted',
      '',
      'Step train: interrupted'
    ]);
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
