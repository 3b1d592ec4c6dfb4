import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { DagDrawing } from './dag/drawing';
import { readPayload } from './dag/payload';
import type { DagDrawn, FlowEvent, NodeStatus } from './events';
import { jumpToStep } from './jump';
import { liveDag, shownRun } from './models/stopped';
import { writeDrawn, writeStopped } from './outputs';
import { DAG_MIME, DagPayload } from './picture';
import type { IFlowConnections, IFlowNotebook } from './tokens';

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
    const payload = readPayload(model.data[DAG_MIME]);
    this._stop();
    if (typeof payload === 'string') {
      this._drawing = null;
      this._dag = null;
      const message = document.createElement('div');
      message.className = 'flownb-dag-message';
      message.textContent = payload;
      this.node.replaceChildren(message);
      return;
    }
    this._model = model;
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
    connection.stopped.connect(this._onStopped, this);
    const drawn = connection.dagDrawn(this._dag);
    if (drawn) {
      // It ended before it came here. Not at once: this widget is just being put on the page.
      queueMicrotask(() => this._end(drawn));
    }
    this._patch(connection.dagNodes(this._dag));
    this._showProgress();
  }

  private _stop(): void {
    this._source?.connection.events.disconnect(this._onEvents, this);
    this._source?.connection.stopped.disconnect(this._onStopped, this);
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
      } else if (event.type === 'DagDrawn') {
        this._end(event);
      }
    }
    this._showProgress();
  }

  /** The notebook's outputs were written already; this may be one below a cell that is not part of the notebook. */
  private _end(event: DagDrawn): void {
    if (this._model && event.dag === this._dag) {
      writeDrawn(this._model, event);
    }
  }

  private _onStopped(): void {
    if (this._model && this._source && this._dag !== null) {
      writeStopped(this._model, this._source.connection.dagNodes(this._dag));
    }
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
      });
    }
  }

  private _showProgress(): void {
    const progress = this._source?.connection.progress;
    const run = shownRun(this._model?.metadata ?? {});
    const isOurs =
      !!progress &&
      progress.flow === this._payload?.flow &&
      (run === null || run === `${progress.flow}/${progress.run}`);
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
  private _model: IRenderMime.IMimeModel | null = null;
  private _payload: DagPayload | null = null;
  private _drawing: DagDrawing | null = null;
  private _dag: string | null = null;
  private _source: IFlowNotebook | null = null;
  private _waiting = new Map<string, NodeStatus>();
  private _frame = 0;
  private _clock: number | undefined;
}
