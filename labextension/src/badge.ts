import { stateGlyph, svgElement } from './dag/svg';
import type { StepStatus } from './events';
import { badgeText } from './models/badge';
import { codePieces } from './models/states';

/** A step's name and state, in a slim row above its cell. */
export class StepBadge {
  constructor() {
    this.node = document.createElement('div');
    // A status, but one that speaks only when asked: a run changes many.
    this.node.setAttribute('role', 'status');
    this.node.setAttribute('aria-live', 'off');
    this._glyph = svgElement('svg', {
      class: 'flownb-badge-glyph',
      viewBox: '-9 -9 18 18',
      width: 12,
      height: 12,
      'aria-hidden': 'true'
    });
    this._step = part('flownb-badge-step');
    this._state = part('flownb-badge-state');
    this._detail = part('flownb-badge-detail');
    this.node.append(this._glyph, this._step, this._state, this._detail);
  }

  readonly node: HTMLElement;

  /** Show a state; touches only this badge and reads no layout. */
  show(status: StepStatus): void {
    const text = badgeText(status);
    this.node.className = `flownb-badge flownb-badge-${status.state}`;
    this.node.dataset.flownbStep = status.step;
    this.node.dataset.flownbState = status.state;
    this.node.title = text.tooltip;
    this.node.setAttribute('aria-label', text.label);
    this._glyph.replaceChildren(stateGlyph(status.state));
    this._step.textContent = text.step;
    this._state.textContent = text.state;
    this._detail.replaceChildren(
      ...codePieces(text.detail).map(([piece, isCode]) => {
        if (!isCode) {
          return piece;
        }
        const code = document.createElement('code');
        code.textContent = piece;
        return code;
      })
    );
  }

  private _glyph: SVGSVGElement;
  private _step: HTMLElement;
  private _state: HTMLElement;
  private _detail: HTMLElement;
}

function part(className: string): HTMLElement {
  const span = document.createElement('span');
  span.className = className;
  return span;
}
