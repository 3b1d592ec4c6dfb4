// @vitest-environment jsdom
import { describe, expect, it, vi } from 'vitest';

import { DagDrawing } from './drawing';
import type { DagPayload } from '../picture';
import { readNodeStatuses, readPayload } from './payload';

const payload = (): DagPayload => ({
  version: 1,
  flow: 'F',
  summary: '2 steps · 1 fresh · 1 never run',
  description: 'A flow of 2 steps.',
  width: 300,
  height: 66,
  nodes: (['load', 'train'] as const).map((name, index) => ({
    name,
    label: name,
    kind: 'linear',
    state: index ? 'never' : 'fresh',
    detail: [[index ? 'never run' : 'fresh', false]],
    title: `${name}: title`,
    in_foreach: index === 1,
    x: 10 + 150 * index,
    y: 10,
    width: 104,
    height: 46
  })),
  edges: [
    {
      source: 'load',
      target: 'train',
      title: 'load → train',
      path: 'M114 33H160',
      strands: '',
      head: [160, 33],
      label: 'foreach',
      label_at: [137, 33, 40]
    }
  ]
});

const node = (drawing: DagDrawing, name: string): Element =>
  drawing.node.querySelector(`[data-flownb-node="${name}"]`)!;

describe('DagDrawing', () => {
  it('draws every step with its state, its words and its title', () => {
    const drawing = new DagDrawing(payload());
    expect(drawing.node.getAttribute('data-flownb-flow')).toBe('F');
    expect(drawing.node.querySelector('.flownb-caption')?.textContent).toBe(
      'F2 steps · 1 fresh · 1 never run'
    );
    const train = node(drawing, 'train');
    expect(train.getAttribute('data-flownb-state')).toBe('never');
    expect(train.querySelector('title')?.textContent).toBe('train: title');
    expect(train.querySelectorAll('rect').length).toBe(3);
    expect(train.querySelector('.flownb-glyph-never')).not.toBeNull();
  });

  it('patches only the steps that changed, and counts again', () => {
    const drawing = new DagDrawing(payload());
    const before = node(drawing, 'load').innerHTML;
    drawing.update([
      {
        name: 'train',
        state: 'failed',
        detail: [
          ['failed · ', false],
          ['df', true]
        ],
        title: 'train: failed'
      },
      { name: 'unknown', state: 'fresh', detail: [], title: '' }
    ]);
    const train = node(drawing, 'train');
    expect(train.getAttribute('data-flownb-state')).toBe('failed');
    expect(train.querySelector('.flownb-note')?.textContent).toBe(
      'failed · df'
    );
    expect(train.querySelector('.flownb-code')?.textContent).toBe('df');
    expect(train.querySelectorAll('.flownb-glyph').length).toBe(1);
    expect(node(drawing, 'load').innerHTML).toBe(before);
    expect(drawing.node.querySelector('.flownb-summary')?.textContent).toBe(
      '2 steps · 1 failed · 1 fresh'
    );
  });

  it('knows a payload that differs in the states only', () => {
    const drawing = new DagDrawing(payload());
    const other = payload();
    other.nodes[0].state = 'failed';
    other.nodes[0].detail = [['failed', false]];
    other.summary = '2 steps';
    expect(drawing.fits(other)).toBe(true);
    other.nodes[0].x += 1;
    expect(drawing.fits(other)).toBe(false);
  });

  it('never takes text for markup', () => {
    const evil = payload();
    evil.flow = evil.nodes[0].label = '<img src=x onerror=alert(1)>';
    const drawing = new DagDrawing(evil);
    expect(drawing.node.querySelector('img')).toBeNull();
    expect(drawing.node.querySelector('.flownb-name')?.textContent).toBe(
      evil.nodes[0].label
    );
  });

  it('says which step was clicked or entered', () => {
    const onSelect = vi.fn();
    const drawing = new DagDrawing(payload(), { onSelect });
    node(drawing, 'train')
      .querySelector('.flownb-name')!
      .dispatchEvent(new MouseEvent('click', { bubbles: true }));
    node(drawing, 'load').dispatchEvent(
      new KeyboardEvent('keydown', { key: 'Enter', bubbles: true })
    );
    expect(onSelect.mock.calls).toEqual([['train'], ['load']]);
    expect(node(drawing, 'load').getAttribute('tabindex')).toBe('0');
  });
});

describe('readPayload', () => {
  it('takes a complete payload', () => {
    expect(readPayload(payload())).toEqual(payload());
  });

  it('names the version it does not know', () => {
    expect(readPayload({ ...payload(), version: 2 })).toBe(
      'This picture of a flow has version 2; this extension draws version 1. Update flownb to see it.'
    );
  });

  it('gives a sentence, not an exception, for whatever else it gets', () => {
    const odd: unknown[] = [
      null,
      3,
      'x',
      [],
      {},
      { version: 1 },
      { ...payload(), flow: 3 },
      { ...payload(), width: 'wide' },
      { ...payload(), nodes: [{}] },
      { ...payload(), nodes: [{ ...payload().nodes[0], state: 'odd' }] },
      { ...payload(), edges: [{ ...payload().edges[0], head: [1] }] },
      { ...payload(), edges: null }
    ];
    for (const value of odd) {
      expect(readPayload(value)).toMatch(/^This picture of a flow /);
    }
  });
});

describe('readNodeStatuses', () => {
  it('keeps what can be applied', () => {
    const good = { name: 'a', state: 'fresh', detail: [], title: '' };
    expect(
      readNodeStatuses([good, { name: 'b' }, null, { ...good, state: 'x' }])
    ).toEqual([good]);
    expect(readNodeStatuses('no')).toEqual([]);
  });
});
