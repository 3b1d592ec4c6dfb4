// @vitest-environment jsdom
import { describe, expect, it } from 'vitest';

import { DagDrawing } from './dag/drawing';
import { stateGlyph } from './dag/svg';
import type {
  DagChanged,
  DocumentChanged,
  FlowEvent,
  StepState,
  StepsChanged
} from './events';
import { badgeText } from './models/badge';
import { SentDocument } from './models/document';
import { DagPatches } from './models/patches';
import { RunProgress } from './models/progress';
import { codePieces, counted, stateWord, summary } from './models/states';
import { StepStatuses } from './models/statuses';
import { stepOf } from './models/steps';
import { description } from './models/stopped';
import { TaskRate, counts, duration, rateText } from './models/tally';
import type { DagPayload } from './picture';
import drawing from './vectors/drawing.json';
import messages from './vectors/messages.json';
import states from './vectors/states.json';
import tally from './vectors/tally.json';
import text from './vectors/text.json';

// Python writes what comes of each rule (scripts/shared_vectors.py); here the same must come of it.

describe('states', () => {
  it.each(states.words)('$state, $detail', ({ state, detail, word, more }) => {
    const status = { cell: 'c', step: 's', title: '', detail };
    const badge = badgeText({ ...status, state: state as StepState });
    expect(stateWord(state as StepState, detail)).toBe(word);
    expect([badge.state, badge.detail]).toEqual([word, more]);
  });

  it.each(states.flows)('$summary', ({ payload, summary: said, ...flow }) => {
    const { nodes } = payload as unknown as DagPayload;
    expect(summary(nodes.map(counted))).toBe(said);
    expect(description(payload as unknown as DagPayload, nodes)).toBe(
      flow.description
    );
  });
});

describe('text', () => {
  it.each(text.pieces)('has code: $text', one => {
    expect(codePieces(one.text)).toEqual(one.pieces);
  });

  it.each(text.cells)('is a step: $source $tags', ({ source, tags, step }) => {
    expect(stepOf(source, tags)).toBe(step);
  });
});

describe('tally', () => {
  it.each(tally.durations)('$seconds seconds', one => {
    expect(duration(one.seconds)).toBe(one.text);
  });

  it.each(tally.rates)('$rate tasks a second', one => {
    expect(rateText(one.rate)).toBe(one.text);
  });

  it.each(tally.counts)('$texts', ({ tasks, texts }) => {
    expect(counts(tasks)).toEqual(texts);
  });

  it.each(tally.looks)('has a rate', ({ looks }) => {
    const rate = new TaskRate();
    rate.begin(0);
    const said = looks.map(({ now, ended }) => {
      for (let task = 0; task < ended; task++) {
        rate.ended();
      }
      return rate.text(now);
    });
    expect(said).toEqual(looks.map(look => look.text));
  });

  it.each(tally.runs)('counts a run: $texts', ({ events, texts }) => {
    const progress = new RunProgress();
    progress.apply({ type: 'RunStarted', flow: 'F', run: '7' }, 0);
    events.forEach(event => progress.apply(event as FlowEvent, 0));
    expect(progress.text(0)).toBe(['Run 7', ...texts, duration(0)].join(' · '));
  });
});

describe('messages', () => {
  it('tell what changed of a document', () => {
    const document = new SentDocument();
    const sent = messages.documents.map(
      ({ cells, told: { notebook } }): DocumentChanged =>
        document.delta(cells, notebook)
    );
    expect(sent).toEqual(messages.documents.map(one => one.told));
  });

  it('mean the same without the states that were overtaken', () => {
    const [all, few] = [messages.events, messages.coalesced].map(events => {
      const statuses = new StepStatuses();
      const patches = new DagPatches();
      for (const event of events) {
        if (event.type === 'StepsChanged') {
          statuses.apply(event as StepsChanged);
        } else {
          patches.apply(event as unknown as DagChanged);
        }
      }
      const badges = ['a', 'b'].map(cell => statuses.get(cell));
      return [badges, patches.of('d'), patches.of('e')];
    });
    expect(few).toEqual(all);
  });
});

describe('drawing', () => {
  it.each(Object.entries(drawing.glyphs))(
    'has a glyph: %s',
    (state, shapes) => {
      expect(drawn(stateGlyph(state as StepState))).toEqual(shapes);
    }
  );

  it('has the shapes of the saved picture', () => {
    const { node } = new DagDrawing(drawing.payload as unknown as DagPayload);
    const sorted = (shapes: string[][]): string[] =>
      shapes.map(one => JSON.stringify(one)).sort();
    expect(sorted(drawn(node))).toEqual(sorted(drawing.shapes));
  });
});

const GEOMETRY: Record<string, string[]> = {
  circle: ['r', 'stroke-dasharray'],
  path: ['d'],
  rect: ['x', 'y', 'width', 'height', 'rx'],
  text: ['x', 'y']
};

/** The shapes below an element, with their measures as Python writes them. */
function drawn(root: Element): string[][] {
  return [...root.querySelectorAll('circle, path, rect, text')].map(shape => [
    shape.tagName,
    ...GEOMETRY[shape.tagName].map(name =>
      written(shape.getAttribute(name) ?? '')
    )
  ]);
}

/** A measure with one decimal place; halves go to the even digit, as Python's formats round. */
function written(value: string): string {
  if (!/^-?\d+\.\d{2,}$/.test(value)) {
    return value;
  }
  const tenths = Number(value) * 10;
  const isHalf = Math.abs(tenths % 1) === 0.5;
  return String(
    (isHalf ? 2 * Math.round(tenths / 2) : Math.round(tenths)) / 10
  );
}
