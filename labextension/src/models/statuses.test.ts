import { describe, expect, it } from 'vitest';

import type { StepState, StepStatus, StepsChanged } from '../events';
import { StepStatuses } from './statuses';

const status = (
  cell: string,
  step: string,
  state: StepState = 'fresh'
): StepStatus => ({ cell, step, state, detail: '', title: '' });

const changed = (whole: boolean, ...steps: StepStatus[]): StepsChanged => ({
  type: 'StepsChanged',
  steps,
  whole
});

describe('StepStatuses', () => {
  it('forgets what a whole message does not name', () => {
    const statuses = new StepStatuses();
    statuses.apply(changed(true, status('a', 'load'), status('b', 'train')));
    expect(
      statuses.apply(changed(true, status('b', 'train'), status('c', 'end')))
    ).toEqual(new Set(['a', 'c']));
    expect(statuses.get('a')).toBeUndefined();
    expect(statuses.get('b')?.step).toBe('train');
  });

  it('keeps what a partial message does not name', () => {
    const statuses = new StepStatuses();
    statuses.apply(changed(true, status('a', 'load'), status('b', 'train')));
    expect(
      statuses.apply(changed(false, status('b', 'train', 'running')))
    ).toEqual(new Set(['b']));
    expect(statuses.get('a')?.state).toBe('fresh');
    expect(statuses.get('b')?.state).toBe('running');
  });

  it('drops a cell that is no step any more', () => {
    const statuses = new StepStatuses();
    statuses.apply(changed(true, status('a', 'load')));
    expect(statuses.apply(changed(false, status('a', '')))).toEqual(
      new Set(['a'])
    );
    expect(statuses.get('a')).toBeUndefined();
    expect(statuses.apply(changed(false, status('a', '')))).toEqual(new Set());
  });

  it('names only the cells whose badge looks different', () => {
    const statuses = new StepStatuses();
    statuses.apply(changed(true, status('a', 'load')));
    expect(statuses.apply(changed(true, status('a', 'load')))).toEqual(
      new Set()
    );
  });

  it('finds the cell of a step', () => {
    const statuses = new StepStatuses();
    statuses.apply(changed(true, status('a', 'load'), status('b', 'train')));
    expect(statuses.cellOf('train')).toBe('b');
    expect(statuses.cellOf('none')).toBeUndefined();
  });

  it('forgets everything with the kernel', () => {
    const statuses = new StepStatuses();
    statuses.apply(changed(true, status('a', 'load')));
    expect(statuses.clear()).toEqual(new Set(['a']));
    expect(statuses.get('a')).toBeUndefined();
  });
});
