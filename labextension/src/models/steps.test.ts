import { describe, expect, it } from 'vitest';

import { stepOf } from './steps';

describe('stepOf', () => {
  it('reads the name from a step line', () => {
    expect(stepOf('%%step train -> model\nx = 1')).toBe('train');
    expect(stepOf('\n%%step clean')).toBe('clean');
  });

  it('reads the name from a tag', () => {
    expect(stepOf('x = 1', ['hide', 'step:train', 'out:x'])).toBe('train');
    expect(stepOf('%%step line', ['step:tag'])).toBe('line');
    expect(stepOf('x = 1', ['steps'])).toBeNull();
  });

  it('finds none in other cells', () => {
    expect(stepOf('x = 1\n%%step late')).toBeNull();
    expect(stepOf('%%steps a')).toBeNull();
    expect(stepOf('')).toBeNull();
  });
});
