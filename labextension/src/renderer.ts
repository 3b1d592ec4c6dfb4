import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { DagDrawing } from './dag/drawing';
import { DAG_MIME_TYPE, DagPayload, readPayload } from './dag/payload';
import type { FlowEvent, NodeStatus } from './events';
import { jumpToStep } from './jump';
import type { IFlowConnections, IFlowNotebook } from './tokens';

declare global {
  interface Window {
    /** Made by the benchmark that measures how long an update takes to reach the screen; else absent. */
    __flownb_paints?: { dag: string; nodes: number; time: number }[];
  }
}

/** An output that draws a flow, and follows its run while the run's cell blocks. */
export class DagRenderer extends Widget implements IRenderMime.IRenderer {
  constructor(
    private _connections: IFlowConnections,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('flownb-dag-output');
    this._progress = document.createElement('div');
    this._progress.className = 'flownb-progress';
  }

  /** Draw a payload; also called when the kernel replaces the output. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const payload = readPayload(model.data[DAG_MIME_TYPE]);
    this._stop();
    if (typeof payload === 'string') {
      this._drawing = null;
      const message = document.createElement('div');
      message.className = 'flownb-dag-message';
      message.textContent = payload;
      this.node.replaceChildren(message);
      return;
    }
    this._payload = payload;
    this._dag = liveDag(model.metadata);
    if (this._drawing?.fits(payload)) {
      // At the end of a run: whoever reads the picture or has the focus in it is not disturbed.
      this._drawing.replace(payload);
    } else {
      this._drawing = new DagDrawing(payload, {
        onSelect: step => this._jump(step)
      });
      this.node.replaceChildren(this._drawing.node, this._progress);
    }
    if (this.isAttached) {
      this._follow();
    }
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._stop();
      super.dispose();
    }
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._follow();
  }

  protected onBeforeDetach(message: Message): void {
    this._stop();
    super.onBeforeDetach(message);
  }

  /** Follow the run, if there is one: only while the output is on the page, for only there it knows its notebook. */
  private _follow(): void {
    if (this._dag === null || this._source) {
      return;
    }
    this._source = this._connections.find(this.node);
    if (!this._source) {
      return;
    }
    const { connection } = this._source;
    connection.events.connect(this._onEvents, this);
    this._patch(connection.dagNodes(this._dag));
    this._showProgress();
  }

  private _stop(): void {
    this._source?.connection.events.disconnect(this._onEvents, this);
    this._source = null;
    this._waiting.clear();
    window.cancelAnimationFrame(this._frame);
    this._frame = 0;
    window.clearInterval(this._clock);
    this._clock = undefined;
    this._progress.textContent = '';
  }

  private _onEvents(_: unknown, events: readonly FlowEvent[]): void {
    for (const event of events) {
      if (event.type === 'DagChanged' && event.dag === this._dag) {
        this._patch(event.nodes);
      }
    }
    this._showProgress();
  }

  /** Collect patches and apply them before the next frame, however many messages they came in. */
  private _patch(nodes: readonly NodeStatus[]): void {
    if (!nodes.length) {
      return;
    }
    nodes.forEach(node => this._waiting.set(node.name, node));
    if (!this._frame) {
      this._frame = window.requestAnimationFrame(() => {
        this._frame = 0;
        const waiting = [...this._waiting.values()];
        this._waiting.clear();
        this._drawing?.update(waiting);
        this._tellPaint(waiting.length);
      });
    }
  }

  private _tellPaint(nodes: number): void {
    const paints = window.__flownb_paints;
    const dag = this._dag;
    if (paints && dag !== null) {
      // The frame after the next one begins when this one is on the screen.
      window.requestAnimationFrame(() =>
        window.requestAnimationFrame(() =>
          paints.push({
            dag,
            nodes,
            time: performance.timeOrigin + performance.now()
          })
        )
      );
    }
  }

  private _showProgress(): void {
    const progress = this._source?.connection.progress;
    const isOurs = !!progress && progress.flow === this._payload?.flow;
    const text = isOurs ? progress.text(performance.now()) : '';
    if (this._progress.textContent !== text) {
      this._progress.textContent = text;
    }
    if (!isOurs) {
      window.clearInterval(this._clock);
      this._clock = undefined;
    } else if (this._clock === undefined) {
      this._clock = window.setInterval(() => this._showProgress(), 1000);
    }
  }

  private _jump(step: string): void {
    const source = this._connections.find(this.node);
    if (!source || !jumpToStep(source, step)) {
      this._drawing?.node.setAttribute(
        'aria-description',
        this._trans.__('No cell of this notebook defines the step %1.', step)
      );
    }
  }

  private _progress: HTMLElement;
  private _payload: DagPayload | null = null;
  private _drawing: DagDrawing | null = null;
  private _dag: string | null = null;
  private _source: IFlowNotebook | null = null;
  private _waiting = new Map<string, NodeStatus>();
  private _frame = 0;
  private _clock: number | undefined;
}

/** The id under which the kernel updates an output, or null when its run is over. */
function liveDag(metadata: IRenderMime.IMimeModel['metadata']): string | null {
  const ours = metadata.flownb as { dag?: unknown } | undefined;
  return typeof ours?.dag === 'string' ? ours.dag : null;
}
