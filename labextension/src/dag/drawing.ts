import type { NodeStatus } from '../events';
import { Counted, counted, summary } from '../models/states';
import { DagPayload, PayloadEdge, PayloadNode } from '../picture';
import { stateGlyph, svgElement } from './svg';

// The measures of Python's `flownb/picture/layout.py` and `svg.py`, so that the live picture and the saved one look alike.
const CAPTION = 30;
const STACK = 3;
const LABEL_SIZE = 10.5;
const FIXED_UP_TO = 640;
// Steps of a picture whose running steps may pulse, see dag.css.
const SMALL = 24;

/** The options of a drawing. */
export interface DrawingOptions {
  /** Called with a step's name when it is clicked, or when Enter is pressed on it. */
  onSelect?: (step: string) => void;
}

/** The parts of one step's card that its state changes. */
interface Card {
  group: SVGGElement;
  title: SVGTitleElement;
  glyph: SVGGElement;
  detail: SVGTextElement;
  counted: Counted;
}

/**
 * A flow's picture, drawn from the places that Python worked out, and patched in place.
 *
 * It depends on nothing but the DOM: the JupyterLab renderer and the anywidget share it.
 */
export class DagDrawing {
  /** Draw a payload that `readPayload` accepted. */
  constructor(payload: DagPayload, options: DrawingOptions = {}) {
    this._onSelect = options.onSelect;
    this._layout = layoutOf(payload);
    this._summary = svgElement('tspan', {
      class: 'flownb-summary',
      dx: 10
    });
    this._description = svgElement('desc', {}, payload.description);
    this.node = this._draw(payload);
    this._summary.textContent = summary(this._states());
  }

  /** The root, an `<svg class="flownb-dag-live">`. */
  readonly node: SVGSVGElement;

  /** Whether a payload differs from what is drawn in nothing but the steps' states. */
  fits(payload: DagPayload): boolean {
    return this._layout === layoutOf(payload);
  }

  /** Show the new states of some steps; steps that the picture does not have are left out. */
  update(nodes: readonly NodeStatus[]): void {
    for (const node of nodes) {
      const card = this._cards.get(node.name);
      if (card) {
        patch(card, node);
      }
    }
    this._summary.textContent = summary(this._states());
  }

  /** Show a payload that `fits`. */
  replace(payload: DagPayload): void {
    this._description.textContent = payload.description;
    this.update(payload.nodes);
  }

  private _draw(payload: DagPayload): SVGSVGElement {
    const height = payload.height + CAPTION;
    // A flow of a step or two is narrower than its caption; an estimate is enough, since nothing is beside it.
    const caption = 42 + 7.8 * payload.flow.length + 6 * payload.summary.length;
    const width = Math.max(payload.width, Math.ceil(caption));
    const size: Record<string, string | number> =
      width > FIXED_UP_TO ? { width: '100%' } : { width, height };
    const root = svgElement(
      'svg',
      {
        class:
          payload.nodes.length <= SMALL
            ? 'flownb-dag-live flownb-mod-small'
            : 'flownb-dag-live',
        role: 'group',
        'aria-label': payload.flow,
        'data-flownb-flow': payload.flow,
        viewBox: `0 0 ${width} ${height}`,
        ...size
      },
      this._description,
      svgElement(
        'text',
        { class: 'flownb-caption', x: 10, y: 19 },
        payload.flow,
        this._summary
      )
    );
    root.style.maxWidth = width > FIXED_UP_TO ? `${width}px` : '100%';
    const picture = svgElement('g', { transform: `translate(0 ${CAPTION})` });
    const curves = svgElement('g', { class: 'flownb-curves' });
    const heads = svgElement('g', { class: 'flownb-heads' });
    curves.append(...payload.edges.map(drawCurve));
    heads.append(...payload.edges.map(drawHead));
    picture.append(curves, heads);
    for (const node of payload.nodes) {
      picture.append(this._drawCard(node));
    }
    for (const edge of payload.edges) {
      if (edge.label && edge.label_at) {
        picture.append(drawLabel(edge.label, edge.label_at));
      }
    }
    root.append(picture);
    if (this._onSelect) {
      this._listen(root);
    }
    return root;
  }

  private _drawCard(node: PayloadNode): SVGGElement {
    const middle = node.y + node.height / 2;
    const title = svgElement('title');
    const outline = svgElement('g', { class: 'flownb-outline' });
    for (const depth of node.in_foreach ? [2, 1, 0] : [0]) {
      outline.append(
        svgElement('rect', {
          class: depth ? 'flownb-under' : 'flownb-card',
          x: node.x + depth * STACK,
          y: node.y - depth * STACK,
          width: node.width,
          height: node.height,
          rx: 8
        })
      );
    }
    const glyph = svgElement('g', {
      transform: `translate(${node.x + 19.5} ${middle})`
    });
    const name = svgElement(
      'text',
      { class: 'flownb-name', x: node.x + 36, y: middle - 3.6 },
      node.label
    );
    const detail = svgElement('text', {
      class: 'flownb-note',
      x: node.x + 36,
      y: middle + 12.4
    });
    const group = svgElement(
      'g',
      { class: 'flownb-node', 'data-flownb-node': node.name },
      title,
      outline,
      ...kindMark(node),
      glyph,
      name,
      detail
    );
    if (this._onSelect) {
      group.setAttribute('tabindex', '0');
      group.setAttribute('role', 'button');
      // JupyterLab would take Enter on a step for "edit the cell".
      group.setAttribute('data-lm-suppress-shortcuts', 'true');
    }
    const card = { group, title, glyph, detail, counted: counted(node) };
    patch(card, node);
    this._cards.set(node.name, card);
    return group;
  }

  private _listen(root: SVGSVGElement): void {
    const select = (event: globalThis.Event): void => {
      const group = (event.target as Element).closest('[data-flownb-node]');
      const step = group?.getAttribute('data-flownb-node');
      if (step) {
        event.preventDefault();
        this._onSelect?.(step);
      }
    };
    root.addEventListener('click', select);
    root.addEventListener('keydown', event => {
      if (event.key === 'Enter' || event.key === ' ') {
        select(event);
      }
    });
  }

  private *_states(): Iterable<Counted> {
    for (const card of this._cards.values()) {
      yield card.counted;
    }
  }

  private _onSelect: ((step: string) => void) | undefined;
  private _layout: string;
  private _description: SVGDescElement;
  private _summary: SVGTSpanElement;
  private _cards = new Map<string, Card>();
}

/** All of a payload that does not change with the steps' states. */
function layoutOf(payload: DagPayload): string {
  const { flow, width, height, nodes, edges } = payload;
  const places = nodes.map(node => [
    node.name,
    node.label,
    node.kind,
    node.in_foreach,
    node.x,
    node.y,
    node.width,
    node.height
  ]);
  return JSON.stringify([flow, width, height, places, edges]);
}

/** Bring a card up to a state. */
function patch(card: Card, node: NodeStatus): void {
  card.counted = counted(node);
  card.group.setAttribute('data-flownb-state', node.state);
  card.title.textContent = node.title;
  card.glyph.replaceChildren(stateGlyph(node.state));
  const { word } = card.counted;
  card.detail.replaceChildren(
    ...node.detail.flatMap(([text, isCode], index): (Node | string)[] => {
      if (index === 0 && text.startsWith(word)) {
        return [
          svgElement('tspan', { class: 'flownb-word' }, word),
          text.slice(word.length)
        ];
      }
      return [
        isCode ? svgElement('tspan', { class: 'flownb-code' }, text) : text
      ];
    })
  );
}

/** An arrow's line; thinner strands beside it where it carries the tasks of a foreach. */
function drawCurve(edge: PayloadEdge): SVGGElement {
  const group = svgElement(
    'g',
    {
      'data-flownb-source': edge.source,
      'data-flownb-target': edge.target
    },
    svgElement('title', {}, edge.title),
    svgElement('path', { d: edge.path })
  );
  if (edge.strands) {
    group.append(
      svgElement('path', { class: 'flownb-strand', d: edge.strands })
    );
  }
  return group;
}

/** An arrow's head; it always points to the right. */
function drawHead(edge: PayloadEdge): SVGPathElement {
  const [x, y] = edge.head;
  return svgElement('path', {
    d: `M${x} ${y}l-7 -3.8l1.6 3.8l-1.6 3.8Z`
  });
}

/** An arrow's label on its chip. */
function drawLabel(
  label: string,
  [x, y, textWidth]: [number, number, number]
): SVGGElement {
  const width = textWidth + 13;
  const height = LABEL_SIZE + 7;
  return svgElement(
    'g',
    { class: 'flownb-label' },
    svgElement('rect', {
      class: 'flownb-chip',
      x: x - width / 2,
      y: y - height / 2,
      width,
      height,
      rx: height / 2
    }),
    svgElement('text', { class: 'flownb-note', x, y: y + 3.6 }, label)
  );
}

/** What distinguishes a join and a switch from a plain step. */
function kindMark(node: PayloadNode): SVGElement[] {
  const middle = node.y + node.height / 2;
  if (node.kind === 'join') {
    return [
      svgElement('rect', {
        class: 'flownb-kind',
        x: node.x - 9,
        y: node.y + 3,
        width: 4.5,
        height: node.height - 6,
        rx: 2.2
      })
    ];
  }
  if (node.kind === 'switch') {
    return [
      svgElement('path', {
        class: 'flownb-kind',
        d: `M${node.x + node.width - 7} ${middle}l7 -7l7 7l-7 7Z`,
        'stroke-linejoin': 'round'
      })
    ];
  }
  return [];
}
