import { describe, expect, it } from 'vitest';

import type { RunEnded, RunStarted, TaskEnded, TaskStarted } from '../events';
import { RunProgress } from './progress';

const runStarted: RunStarted = { type: 'RunStarted', flow: 'F', run: '7' };

const runEnded: RunEnded = {
  type: 'RunEnded',
  flow: 'F',
  run: '7',
  status: 'done',
  tasks: 1,
  seconds: 1
};

const started = (
  step: string,
  task: string,
  extra: Partial<TaskStarted> = {}
): TaskStarted => ({
  type: 'TaskStarted',
  flow: 'F',
  run: '7',
  step,
  task,
  mode: 'run',
  attempt: 0,
  index: null,
  num_splits: null,
  outer: [],
  ...extra
});

const ended = (
  step: string,
  task: string,
  status: TaskEnded['status'] = 'done'
): TaskEnded => ({
  ...started(step, task),
  type: 'TaskEnded',
  status,
  error: '',
  seconds: 1
});

describe('RunProgress', () => {
  it('says nothing while nothing runs', () => {
    const progress = new RunProgress();
    expect(progress.text(0)).toBe('');
    progress.apply(started('a', '1'), 0);
    expect(progress.flow).toBeNull();
  });

  it('names the run, the tasks done, what runs and the seconds', () => {
    const progress = new RunProgress();
    progress.apply(runStarted, 1000);
    for (const task of ['1', '2', '3', '4']) {
      progress.apply(started('load', task), 1000);
      progress.apply(ended('load', task), 1500);
    }
    progress.apply(started('train', '5', { index: 1, num_splits: 3 }), 2000);
    expect(progress.text(13900)).toBe(
      'Run 7 · 4 tasks done · running train (2 of 3) · 13 s'
    );
  });

  it('counts tasks that run side by side, and failures', () => {
    const progress = new RunProgress();
    progress.apply(runStarted, 0);
    progress.apply(started('train', '1', { index: 0, num_splits: 3 }), 0);
    progress.apply(started('train', '2', { index: 1, num_splits: 3 }), 0);
    progress.apply(started('clean', '3'), 0);
    progress.apply(ended('load', '0', 'failed'), 0);
    expect(progress.text(125000)).toBe(
      'Run 7 · 0 tasks done · 1 failed · running train (0 of 3 done, 2 at once), clean · 2 min 5 s'
    );
  });

  it('says how far a foreach is, and how fast it goes of late', () => {
    const progress = new RunProgress();
    progress.apply(runStarted, 0);
    for (let index = 0; index < 100; index++) {
      const task = String(index);
      const place = { index, num_splits: 200 };
      progress.apply(started('train', task, place), 1000 + index * 20);
      const end = { ...ended('train', task), ...place };
      progress.apply(end, 1000 + index * 20);
    }
    progress.apply(started('train', '100', { index: 100, num_splits: 200 }), 0);
    progress.apply(started('train', '101', { index: 101, num_splits: 200 }), 0);
    expect(progress.text(4000)).toBe(
      'Run 7 · 100 tasks done · running train (100 of 200 done, 2 at once) · 33/s · 4.0 s'
    );
    expect(progress.text(60000)).toContain(' · 1.7/s · ');
  });

  it('counts what need not run, and what was interrupted did not fail', () => {
    const progress = new RunProgress();
    progress.apply(runStarted, 0);
    progress.apply({ ...started('a', '1'), type: 'TaskCloned', origin: '' }, 0);
    progress.apply(started('b', '2'), 0);
    progress.apply(ended('b', '2', 'interrupted'), 0);
    expect(progress.text(0)).toBe(
      'Run 7 · 0 tasks done · 1 cloned · 1 interrupted · 0.0 s'
    );
  });

  it('names three steps and counts the others', () => {
    const progress = new RunProgress();
    progress.apply(runStarted, 0);
    for (const step of ['a', 'b', 'c', 'd', 'e']) {
      progress.apply(started(step, step), 0);
    }
    expect(progress.text(0)).toBe(
      'Run 7 · 0 tasks done · running a, b, c and 2 more · 0.0 s'
    );
  });

  it('says that a failed attempt is made again', () => {
    const progress = new RunProgress();
    progress.apply(runStarted, 0);
    progress.apply(started('train', '1', { index: 1, num_splits: 3 }), 0);
    progress.apply(
      {
        ...started('train', '1', { index: 1, num_splits: 3 }),
        type: 'TaskRetried',
        error: 'E'
      },
      0
    );
    expect(progress.text(0)).toBe(
      'Run 7 · 0 tasks done · running train (2 of 3, again) · 0.0 s'
    );
  });

  it('leaves out tasks of cells, spins and other runs', () => {
    const progress = new RunProgress();
    progress.apply(runStarted, 0);
    progress.apply(started('a', '1', { mode: 'spin' }), 0);
    progress.apply(started('a', '1', { run: '8' }), 0);
    expect(progress.text(0)).toBe('Run 7 · 0 tasks done · 0.0 s');
  });

  it('vanishes when the run ends', () => {
    const progress = new RunProgress();
    progress.apply(runStarted, 0);
    progress.apply({ ...runEnded, run: '8' }, 0);
    expect(progress.flow).toBe('F');
    progress.apply(runEnded, 0);
    expect(progress.text(0)).toBe('');
  });
});
