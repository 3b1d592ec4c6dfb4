import type { StepState } from '../events';

const NAMESPACE = 'http://www.w3.org/2000/svg';

type Attributes = Readonly<Record<string, string | number>>;

/** Make an SVG element; text goes in through `textContent` only, so nothing is ever parsed as markup. */
export function svgElement<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): SVGElementTagNameMap[Name] {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, String(value));
  }
  element.append(...children);
  return element;
}

/**
 * Draw a state's glyph, 18 pixels wide around its origin; the same shapes as Python's `flownb/picture/svg.py`.
 *
 * Never: a hollow dashed ring. Running: a ring half filled. Fresh: a disc with a check mark. Stale: a turning arrow.
 * Failed: a disc with a cross. Not taken: a ring with a stroke through it.
 */
export function stateGlyph(state: StepState): SVGGElement {
  return svgElement(
    'g',
    { class: `flownb-glyph flownb-glyph-${state}` },
    ...SHAPES[state].map(([name, attributes]) => svgElement(name, attributes))
  );
}

type Shape = ['circle' | 'path', Attributes];

const DISC: Shape = ['circle', { class: 'flownb-solid', r: 8.5 }];

const SHAPES: Readonly<Record<StepState, Shape[]>> = {
  never: [
    [
      'circle',
      { class: 'flownb-ring', r: 7.7, 'stroke-dasharray': '3.02 3.02' }
    ]
  ],
  running: [
    ['circle', { class: 'flownb-ring', r: 7.7 }],
    ['path', { class: 'flownb-solid', d: 'M0 -4.9A4.9 4.9 0 0 1 0 4.9Z' }]
  ],
  fresh: [
    DISC,
    ['path', { class: 'flownb-mark', d: 'M-3.8 0.3L-1.2 2.9L3.9 -2.7' }]
  ],
  stale: [
    ['path', { class: 'flownb-ring', d: 'M5.83 -4.08A7.1 7.1 0 1 0 7.1 0.6' }],
    ['path', { class: 'flownb-solid flownb-tip', d: 'M7.6 -8.2V-2.5H1.9Z' }]
  ],
  failed: [DISC, ['path', { class: 'flownb-mark', d: 'M-3 -3L3 3M3 -3L-3 3' }]],
  untaken: [
    ['circle', { class: 'flownb-ring', r: 7.7 }],
    ['path', { class: 'flownb-ring', d: 'M-5.4 5.4L5.4 -5.4' }]
  ]
};
