import type { ICellModel } from '@jupyterlab/cells';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel } from '@jupyterlab/notebook';
import { Kernel, KernelMessage } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import type { FlowEvent, NodeStatus } from './events';
import { DocumentCell, ToldDocument } from './models/document';
import { DagPatches } from './models/patches';
import { RunProgress } from './models/progress';
import { StepStatuses } from './models/statuses';
import type { IFlowConnection } from './tokens';

const EVENTS_TARGET = 'flownb.events';
const DOCUMENT_TARGET = 'flownb.document';
const DEBOUNCE = 400;
const SUBSHELL_TIMEOUT = 1000;

/** What `createComm` gives in JupyterLab 4.4 and later, beyond what its interface says. */
interface ISubshellComm extends Kernel.IComm {
  readonly subshellStarted?: Promise<void>;
}

/**
 * The two comms between a notebook and its kernel.
 *
 * The kernel opens `flownb.events` and only publishes on it. The view answers by opening `flownb.document`, on which the
 * kernel never publishes: ipykernel routes what arrives on a comm to the shell that last published on it.
 */
export class FlowConnection implements IFlowConnection, IDisposable {
  constructor(private _context: DocumentRegistry.IContext<INotebookModel>) {
    const { model, sessionContext } = _context;
    model.sharedModel.changed.connect(this._onNotebookChanged, this);
    this._watchCells();
    sessionContext.kernelChanged.connect(this._onKernelChanged, this);
    this._attach(sessionContext.session?.kernel ?? null);
    _context.disposed.connect(this.dispose, this);
  }

  readonly statuses = new StepStatuses();
  readonly progress = new RunProgress();

  get events(): ISignal<this, readonly FlowEvent[]> {
    return this._events;
  }

  get statusesChanged(): ISignal<this, ReadonlySet<string>> {
    return this._statusesChanged;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dagNodes(dag: string): readonly NodeStatus[] {
    return this._patches.of(dag);
  }

  sendDocument(): void {
    window.clearTimeout(this._timer);
    this._isDue = false;
    if (!this._isChanged || !this._isReady || !this._documentComm) {
      return;
    }
    this._isChanged = false;
    const delta = this._told.delta(this._cells());
    const kernel = this._kernel;
    if (!delta || !kernel) {
      return;
    }
    // Not `comm.send`: it uses the comm's subshell, on which the message could be overtaken by the execute request that
    // follows on the main shell.
    kernel.sendShellMessage(
      KernelMessage.createMessage<KernelMessage.ICommMsgMsg<'shell'>>({
        msgType: 'comm_msg',
        channel: 'shell',
        username: kernel.username,
        session: kernel.clientId,
        content: {
          comm_id: this._documentComm.commId,
          data: delta as unknown as JSONObject
        }
      }),
      false,
      true
    );
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._attach(null);
    Signal.clearData(this);
  }

  private _onKernelChanged(): void {
    this._attach(this._context.sessionContext.session?.kernel ?? null);
  }

  private _attach(kernel: Kernel.IKernelConnection | null): void {
    const old = this._kernel;
    if (old && !old.isDisposed) {
      old.removeCommTarget(EVENTS_TARGET, this._onEventsOpen);
      old.statusChanged.disconnect(this._onStatusChanged, this);
    }
    this._kernel = kernel;
    this._reset();
    if (kernel?.handleComms) {
      kernel.registerCommTarget(EVENTS_TARGET, this._onEventsOpen);
      kernel.statusChanged.connect(this._onStatusChanged, this);
      void this._findEvents(kernel);
    }
  }

  /** Forget what the kernel said; a new one will speak. */
  private _reset(): void {
    window.clearTimeout(this._timer);
    this._isDue = false;
    this._isReady = false;
    this._eventsComm = null;
    this._documentComm = null;
    this._patches.clear();
    this.progress.clear();
    const cells = this.statuses.clear();
    if (cells.size) {
      this._statusesChanged.emit(cells);
    }
    // Whoever shows the progress of a run sees that there is none any more.
    this._events.emit([]);
  }

  private _onStatusChanged(_: unknown, status: Kernel.Status): void {
    switch (status) {
      case 'restarting':
      case 'autorestarting':
      case 'terminating':
      case 'dead':
        this._reset();
        break;
      case 'idle':
        if (this._isDue) {
          this.sendDocument();
        }
        break;
      default:
        break;
    }
  }

  /** After the page was reloaded, the kernel's comm is there already. */
  private async _findEvents(kernel: Kernel.IKernelConnection): Promise<void> {
    try {
      const { content } = await kernel.requestCommInfo({
        target_name: EVENTS_TARGET
      });
      if (
        kernel !== this._kernel ||
        this._eventsComm ||
        content.status !== 'ok'
      ) {
        return;
      }
      const id = Object.keys(content.comms).pop();
      if (id && !kernel.hasComm(id)) {
        this._follow(kernel, kernel.createComm(EVENTS_TARGET, id));
      }
    } catch {
      // The kernel went away before it answered; the next one is asked anew.
    }
  }

  private _onEventsOpen = (comm: Kernel.IComm): void => {
    if (this._kernel) {
      this._follow(this._kernel, comm);
    }
  };

  private _follow(kernel: Kernel.IKernelConnection, comm: Kernel.IComm): void {
    this._eventsComm = comm;
    comm.onMsg = message => {
      if (this._eventsComm === comm) {
        this._receive(message.content.data.events);
      }
    };
    comm.onClose = () => {
      if (this._eventsComm === comm) {
        this._reset();
      }
    };
    this._openDocument(kernel).catch(reason => {
      console.warn('flownb: the document could not be sent.', reason);
    });
  }

  private async _openDocument(kernel: Kernel.IKernelConnection): Promise<void> {
    this._isReady = false;
    // The kernel's side was loaded anew; what it knew is gone.
    this._documentComm?.close();
    const comm = kernel.createComm(DOCUMENT_TARGET);
    this._documentComm = comm;
    await this._context.ready;
    // On a subshell it is handled while a cell runs.
    if (kernel.supportsSubshells) {
      await Promise.race([
        (comm as ISubshellComm).subshellStarted,
        new Promise(resolve => window.setTimeout(resolve, SUBSHELL_TIMEOUT))
      ]);
    }
    if (this._documentComm !== comm || comm.isDisposed) {
      return;
    }
    this._isChanged = false;
    comm.open(this._told.full(this._cells()) as unknown as JSONObject);
  }

  private _receive(data: unknown): void {
    if (!Array.isArray(data)) {
      return;
    }
    const events = data as FlowEvent[];
    const cells = new Set<string>();
    for (const event of events) {
      if (event.type === 'StepsChanged') {
        this.statuses.apply(event).forEach(cell => cells.add(cell));
        if (event.whole && this._documentComm && !this._isReady) {
          this._isReady = true;
          this.sendDocument();
        }
      } else if (event.type === 'DagChanged') {
        this._patches.apply(event);
      } else {
        this.progress.apply(event, performance.now());
      }
    }
    if (cells.size) {
      this._statusesChanged.emit(cells);
    }
    this._events.emit(events);
  }

  private _onNotebookChanged(
    _: unknown,
    change: { cellsChange?: unknown }
  ): void {
    if (change.cellsChange) {
      this._watchCells();
      this._touch();
    }
  }

  private _onCellChanged(
    _: unknown,
    change: { sourceChange?: unknown; metadataChange?: unknown }
  ): void {
    if (change.sourceChange || change.metadataChange) {
      this._touch();
    }
  }

  private _watchCells(): void {
    for (const cell of this._context.model.sharedModel.cells) {
      (cell as ICellModel['sharedModel']).changed.connect(
        this._onCellChanged,
        this
      );
    }
  }

  /** The document changed: tell the kernel when nobody types any more and the kernel listens. */
  private _touch(): void {
    this._isChanged = true;
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => {
      if (this._kernel?.status === 'busy') {
        this._isDue = true;
      } else {
        this.sendDocument();
      }
    }, DEBOUNCE);
  }

  private _cells(): DocumentCell[] {
    return this._context.model.sharedModel.cells
      .filter(cell => cell.cell_type === 'code')
      .map(cell => {
        const tags: unknown = cell.getMetadata('tags');
        return {
          id: cell.getId(),
          source: cell.getSource(),
          tags: Array.isArray(tags) ? tags.map(String) : []
        };
      });
  }

  private _events = new Signal<this, readonly FlowEvent[]>(this);
  private _statusesChanged = new Signal<this, ReadonlySet<string>>(this);
  private _kernel: Kernel.IKernelConnection | null = null;
  private _eventsComm: Kernel.IComm | null = null;
  private _documentComm: Kernel.IComm | null = null;
  private _told = new ToldDocument();
  private _patches = new DagPatches();
  private _timer: number | undefined;
  private _isChanged = false;
  private _isDue = false;
  private _isReady = false;
  private _isDisposed = false;
}
