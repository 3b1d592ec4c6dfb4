import { describe, expect, it } from 'vitest';

import { stepOf } from './steps';

describe('stepOf', () => {
  it('reads the name from a step line', () => {
    expect(stepOf('%%step train -> model\nx = 1')).toBe('train');
    expect(stepOf('\n%%step clean')).toBe('clean');
  });

  it('finds none in other cells', () => {
    expect(stepOf('x = 1\n%%step late')).toBeNull();
    expect(stepOf('%%steps a')).toBeNull();
    expect(stepOf('')).toBeNull();
  });
});
