import { describe, expect, it } from 'vitest';

import type { DagChanged, DagDrawn, NodeStatus, StepState } from '../events';
import { DagPatches } from './patches';

const node = (name: string, state: StepState): NodeStatus => ({
  name,
  state,
  detail: [[state, false]],
  title: ''
});

const changed = (dag: string, ...nodes: NodeStatus[]): DagChanged => ({
  type: 'DagChanged',
  dag,
  nodes
});

const drawn = (dag: string): DagDrawn => ({
  type: 'DagDrawn',
  dag,
  bundle: {},
  metadata: {}
});

describe('DagPatches', () => {
  it('keeps the latest state of each step of a DAG', () => {
    const patches = new DagPatches();
    patches.apply(changed('d', node('a', 'running')));
    patches.apply(changed('d', node('a', 'fresh'), node('b', 'running')));
    patches.apply(changed('other', node('a', 'failed')));
    expect(patches.of('d')).toEqual([node('a', 'fresh'), node('b', 'running')]);
    expect(patches.of('unknown')).toEqual([]);
  });

  it('leaves out what is malformed', () => {
    const patches = new DagPatches();
    const bad = { name: 'a', state: 'odd' } as unknown as NodeStatus;
    patches.apply(changed('d', bad, node('b', 'fresh')));
    expect(patches.of('d')).toEqual([node('b', 'fresh')]);
  });

  it('keeps only the DAGs that changed last', () => {
    const patches = new DagPatches();
    for (let number = 0; number < 20; number++) {
      patches.apply(changed(`d${number}`, node('a', 'fresh')));
      patches.apply(changed('d0', node('a', 'running')));
    }
    expect(patches.of('d0')).toEqual([node('a', 'running')]);
    expect(patches.of('d1')).toEqual([]);
    expect(patches.of('d19')).toEqual([node('a', 'fresh')]);
  });

  it('keeps what the last DAGs ended with', () => {
    const patches = new DagPatches();
    patches.apply(changed('d0', node('a', 'running')));
    for (let number = 0; number < 5; number++) {
      patches.end(drawn(`d${number}`));
    }
    expect(patches.of('d0')).toEqual([]);
    expect(patches.drawn('d0')).toBeUndefined();
    expect(patches.drawn('d4')).toEqual(drawn('d4'));
    patches.clear();
    expect(patches.drawn('d4')).toBeUndefined();
  });
});
