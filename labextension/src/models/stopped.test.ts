import { describe, expect, it } from 'vitest';

import type { StepState } from '../events';
import { DAG_MIME, DagPayload, PayloadNode } from '../picture';
import { liveDag, shownRun, stoppedBundle, withoutDag } from './stopped';

const node = (name: string, state: StepState): PayloadNode => ({
  name,
  label: name,
  kind: 'linear',
  state,
  detail: [[state, false]],
  title: `${name}: ${state}`,
  in_foreach: false,
  x: 0,
  y: 0,
  width: 200,
  height: 40
});

const bundle = (...nodes: PayloadNode[]): Record<string, unknown> => ({
  [DAG_MIME]: {
    version: 1,
    flow: 'F',
    summary: '',
    description: '',
    width: 100,
    height: 50,
    nodes,
    edges: [
      {
        source: 'a',
        target: 'b',
        title: '',
        path: 'M0 0',
        strands: '',
        head: [0, 0],
        label: '',
        label_at: null
      }
    ]
  } satisfies DagPayload,
  'image/svg+xml': '<svg/>',
  'text/plain': 'old'
});

describe('stoppedBundle', () => {
  it('says that what ran has failed, and why', () => {
    const ended = stoppedBundle(
      bundle(node('a', 'never'), node('b', 'never')),
      [
        node('a', 'fresh'),
        { ...node('b', 'running'), title: 'b: running, 3 tasks; foreach' }
      ]
    );
    const payload = ended[DAG_MIME] as DagPayload;
    expect(payload.nodes.map(one => one.state)).toEqual(['fresh', 'failed']);
    expect(payload.nodes[1].detail).toEqual([
      ['failed · kernel stopped', false]
    ]);
    expect(payload.summary).toBe('2 steps · 1 failed · 1 fresh');
    expect(payload.description).toBe(
      'A flow of 2 steps. a: fresh; leads to b. b: failed, kernel stopped; foreach.'
    );
    expect(ended['text/plain']).toBe(
      'F  2 steps · 1 failed · 1 fresh\na: fresh\nb: failed, kernel stopped; foreach'
    );
    expect(ended).not.toHaveProperty('image/svg+xml');
  });

  it('cuts what does not fit the card', () => {
    const narrow = { ...node('a', 'running'), width: 124 };
    const payload = stoppedBundle(bundle(narrow), [])[DAG_MIME] as DagPayload;
    expect(payload.nodes[0].detail).toEqual([['failed · k…', false]]);
  });

  it('leaves alone what is as it was displayed, and what it cannot read', () => {
    const same = bundle(node('a', 'fresh'), node('b', 'never'));
    expect(stoppedBundle(same, [node('a', 'fresh')])).toBe(same);
    const odd = { [DAG_MIME]: 'odd' };
    expect(stoppedBundle(odd, [])).toBe(odd);
  });
});

describe('the live id', () => {
  it('is read from metadata and taken out of it', () => {
    const metadata = { tags: 1, flownb: { dag: 'd', run: 'F/1' } };
    expect(liveDag(metadata)).toBe('d');
    expect(withoutDag(metadata)).toEqual({ tags: 1, flownb: { run: 'F/1' } });
    expect(liveDag(withoutDag(metadata))).toBeNull();
    expect(liveDag({ flownb: { follows: 'f' } })).toBe('f');
    expect(withoutDag({ flownb: { follows: 'f' } })).toEqual({ flownb: {} });
    expect(liveDag({ flownb: null })).toBeNull();
    expect(liveDag({})).toBeNull();
    expect([shownRun(metadata), shownRun({})]).toEqual(['F/1', null]);
  });
});
