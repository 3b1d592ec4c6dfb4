import type { ICellModel } from '@jupyterlab/cells';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel } from '@jupyterlab/notebook';
import { Kernel, KernelMessage } from '@jupyterlab/services';
import { JSONObject, PromiseDelegate, UUID } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import {
  DagDrawn,
  DOCUMENT_TARGET,
  DocumentCell,
  DocumentChanged,
  EVENTS_TARGET,
  FlowEvent,
  NodeStatus,
  NotebookFacts
} from './events';
import { tagsOf } from './models/cells';
import { SentDocument } from './models/document';
import { idIn, METADATA_KEY, withId } from './models/notebook';
import { DagPatches } from './models/patches';
import { RunProgress } from './models/progress';
import { StepStatuses } from './models/statuses';
import { liveOutputs, writeDrawn, writeStopped } from './outputs';
import { onSubshell } from './subshell';
import type { IFlowConnection } from './tokens';

const DEBOUNCE = 400;
// Milliseconds after which a kernel that has not answered is taken to run a cell.
const BUSY_AFTER = 1000;
// How long a command waits for a kernel that has loaded flownb to take the document.
const PATIENCE = 5000;
const LOAD = 'get_ipython().extension_manager.load_extension("flownb")';

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
    _context.pathChanged.connect(this._touch, this);
    this._watchCells();
    sessionContext.kernelChanged.connect(this._onKernelChanged, this);
    this._attach(sessionContext.session?.kernel ?? null);
    // Not the context's signal: by then the way to the kernel is closed.
    sessionContext.disposed.connect(this.dispose, this);
    window.addEventListener('pagehide', this._closeDocument);
  }

  readonly statuses = new StepStatuses();
  readonly progress = new RunProgress();

  get events(): ISignal<this, readonly FlowEvent[]> {
    return this._events;
  }

  get statusesChanged(): ISignal<this, ReadonlySet<string>> {
    return this._statusesChanged;
  }

  get stopped(): ISignal<this, void> {
    return this._stopped;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dagNodes(dag: string): readonly NodeStatus[] {
    return this._patches.of(dag);
  }

  dagDrawn(dag: string): DagDrawn | undefined {
    return this._patches.drawn(dag);
  }

  async connect(): Promise<void> {
    const kernel = this._kernel;
    if (this._isReady || !kernel) {
      return;
    }
    try {
      await kernel.requestExecute(
        { code: LOAD, silent: true, store_history: false },
        true
      ).done;
    } catch {
      return; // The kernel went away; what is executed next says so.
    }
    if (!this._isReady) {
      let timer: number | undefined;
      const patience = new Promise<void>(done => {
        timer = window.setTimeout(done, PATIENCE);
      });
      await Promise.race([this._ready.promise, patience]);
      window.clearTimeout(timer);
    }
  }

  sendDocument(): void {
    window.clearTimeout(this._timer);
    this._isDue = false;
    if (!this._isReady) {
      return;
    }
    this._send(
      this._isChanged
        ? this._sent.delta(this._cells(), this._notebook())
        : this._sent.same()
    );
    this._isChanged = false;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.removeEventListener('pagehide', this._closeDocument);
    this._closeDocument();
    this._attach(null);
    Signal.clearData(this);
  }

  private _onKernelChanged(): void {
    const kernel = this._context.sessionContext.session?.kernel ?? null;
    if (this._kernel && this._kernel.id !== kernel?.id) {
      this._stop();
    }
    this._attach(kernel);
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
      this._findEvents(kernel).catch(() => {
        // The kernel went away before it answered; the next one is asked again.
      });
    }
  }

  /** The kernel died, and with it what ran; no output may still say that something runs. */
  private _stop(): void {
    for (const [output, dag] of liveOutputs(this._context.model)) {
      writeStopped(output, this._patches.of(dag));
    }
    this._stopped.emit();
  }

  /** Forget what the kernel said; a new one will speak. */
  private _reset(): void {
    window.clearTimeout(this._timer);
    this._isDue = false;
    this._setReady(false);
    this._eventsComm = null;
    this._document = '';
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
        this._stop();
        this._reset();
        break;
      case 'idle':
        if (this._isDue) {
          this._sendChanges();
        }
        break;
      default:
        break;
    }
  }

  /** After the page was reloaded, the kernel's comm is there already. */
  private async _findEvents(kernel: Kernel.IKernelConnection): Promise<void> {
    const onMain = this._askForEvents(kernel, null);
    const isAnswered = await Promise.race([
      onMain.then(() => true),
      new Promise<boolean>(resolve =>
        window.setTimeout(() => resolve(false), BUSY_AFTER)
      )
    ]);
    // A cell runs. Only a kernel that may be ours is asked in another way.
    const language = this._context.model.defaultKernelLanguage;
    if (!isAnswered && (!language || language === 'python')) {
      await onSubshell(kernel, subshell =>
        this._askForEvents(kernel, subshell)
      );
    }
    await onMain;
  }

  /** Follow the kernel's events if it has any, and send it the document. */
  private async _askForEvents(
    kernel: Kernel.IKernelConnection,
    subshell: string | null
  ): Promise<void> {
    const future = kernel.sendShellMessage(
      KernelMessage.createMessage<KernelMessage.ICommInfoRequestMsg>({
        msgType: 'comm_info_request',
        channel: 'shell',
        username: kernel.username,
        session: kernel.clientId,
        subshellId: subshell,
        content: { target_name: EVENTS_TARGET }
      }),
      true
    );
    const { content } = (await future.done) as KernelMessage.ICommInfoReplyMsg;
    if (
      kernel !== this._kernel ||
      this._eventsComm ||
      content.status !== 'ok'
    ) {
      return;
    }
    const id = Object.keys(content.comms).pop();
    if (id && !kernel.hasComm(id)) {
      this._follow(kernel.createComm(EVENTS_TARGET, id));
      await this._openDocument(kernel, subshell);
    }
  }

  private _onEventsOpen = (comm: Kernel.IComm): void => {
    const kernel = this._kernel;
    if (kernel) {
      this._follow(comm);
      onSubshell(kernel, subshell =>
        this._openDocument(kernel, subshell)
      ).catch(reason => {
        console.warn('flownb: the document could not be sent.', reason);
      });
    }
  };

  private _follow(comm: Kernel.IComm): void {
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
  }

  /** Send the kernel the whole document; it answers with the states of all steps. */
  private async _openDocument(
    kernel: Kernel.IKernelConnection,
    subshell: string | null
  ): Promise<void> {
    // If the kernel's side was reloaded, what it knew from an earlier comm is lost.
    const id = (this._document = UUID.uuid4());
    this._setReady(false);
    await this._context.ready;
    if (this._document !== id || kernel.isDisposed) {
      return;
    }
    // What the kernel sent while the notebook was being read.
    for (const [output, dag] of liveOutputs(this._context.model)) {
      const drawn = this._patches.drawn(dag);
      if (drawn) {
        writeDrawn(output, drawn);
      }
    }
    this._isChanged = false;
    // Not `createComm`: its comms live on a subshell of JupyterLab's, and here the changes must not.
    await kernel.sendShellMessage(
      KernelMessage.createMessage<KernelMessage.ICommOpenMsg<'shell'>>({
        msgType: 'comm_open',
        channel: 'shell',
        username: kernel.username,
        session: kernel.clientId,
        subshellId: subshell,
        content: {
          comm_id: id,
          target_name: DOCUMENT_TARGET,
          data: this._sent.full(
            this._cells(),
            this._notebook()
          ) as unknown as JSONObject
        }
      }),
      false,
      true
    ).done;
    if (this._document === id) {
      this._setReady(true);
      this._sendChanges();
    }
  }

  /**
   * Tell the kernel that this view is closed, if it can still be reached.
   *
   * The socket closes right after this. The server passes on what it has received only if no other socket to the kernel
   * is open; where one is, the view there is the one that speaks next.
   */
  private _closeDocument = (): void => {
    const kernel = this._kernel;
    const id = this._document;
    if (!id || !kernel || kernel.isDisposed || kernel.status === 'dead') {
      return;
    }
    this._document = '';
    this._setReady(false);
    kernel
      .sendShellMessage(
        KernelMessage.createMessage<KernelMessage.ICommCloseMsg<'shell'>>({
          msgType: 'comm_close',
          channel: 'shell',
          username: kernel.username,
          session: kernel.clientId,
          content: { comm_id: id, data: {} }
        }),
        false,
        true
      )
      .done.catch(() => {
        // Nobody waits for the answer.
      });
  };

  /** Whether the kernel has taken the document: changes sent before that would be changes of nothing. */
  private _setReady(isReady: boolean): void {
    if (isReady) {
      this._ready.resolve();
    } else if (this._isReady) {
      this._ready = new PromiseDelegate();
    }
    this._isReady = isReady;
  }

  /** Tell the kernel what changed, if anything did. */
  private _sendChanges(): void {
    if (this._isReady && this._isChanged) {
      if (this._sent.knows(this._cells(), this._notebook())) {
        this._isChanged = false;
        this._isDue = false;
      } else {
        this.sendDocument();
      }
    }
  }

  private _send(document: DocumentChanged): void {
    const kernel = this._kernel;
    if (!kernel) {
      return;
    }
    // On the main shell, where it cannot be overtaken by the execute request that follows.
    kernel.sendShellMessage(
      KernelMessage.createMessage<KernelMessage.ICommMsgMsg<'shell'>>({
        msgType: 'comm_msg',
        channel: 'shell',
        username: kernel.username,
        session: kernel.clientId,
        content: {
          comm_id: this._document,
          data: document as unknown as JSONObject
        }
      }),
      false,
      true
    );
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
      } else if (event.type === 'DagChanged') {
        this._patches.apply(event);
      } else if (event.type === 'DagDrawn') {
        this._end(event);
      } else if (event.type === 'NotebookNamed') {
        this._write(event.id);
      } else {
        this.progress.apply(event, performance.now());
      }
    }
    if (cells.size) {
      this._statusesChanged.emit(cells);
    }
    this._events.emit(events);
  }

  /**
   * A DAG has its final state.
   *
   * Usually its output has it already. But where the page was reloaded, JupyterLab does not know the output's display
   * id any more and leaves it as it was.
   */
  private _end(event: DagDrawn): void {
    this._patches.end(event);
    for (const [output, dag] of liveOutputs(this._context.model)) {
      if (dag === event.dag) {
        writeDrawn(output, event);
      }
    }
  }

  /** Keep the notebook's id in its metadata; the next save writes it to the file. */
  private _write(id: string): void {
    const model = this._context.model.sharedModel;
    const metadata: unknown = model.getMetadata(METADATA_KEY);
    if (!this._context.model.readOnly && idIn(metadata) !== id) {
      model.setMetadata(METADATA_KEY, withId(metadata, id) as JSONObject);
    }
  }

  private _onNotebookChanged(
    _: unknown,
    change: { cellsChange?: unknown; metadataChange?: unknown }
  ): void {
    if (change.cellsChange) {
      this._watchCells();
    }
    if (change.cellsChange || change.metadataChange) {
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

  /** The document changed: send it when nobody is typing and the kernel is idle. */
  private _touch(): void {
    this._isChanged = true;
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => {
      if (this._kernel?.status === 'busy') {
        this._isDue = true;
      } else {
        this._sendChanges();
      }
    }, DEBOUNCE);
  }

  /** Which notebook this is; a rename changes the name alone. */
  private _notebook(): NotebookFacts {
    const model = this._context.model.sharedModel;
    return {
      name: this._context.localPath.split('/').pop() ?? '',
      id: idIn(model.getMetadata(METADATA_KEY))
    };
  }

  private _cells(): DocumentCell[] {
    return this._context.model.sharedModel.cells
      .filter(cell => cell.cell_type === 'code')
      .map(cell => ({
        id: cell.getId(),
        source: cell.getSource(),
        tags: tagsOf(cell)
      }));
  }

  private _events = new Signal<this, readonly FlowEvent[]>(this);
  private _statusesChanged = new Signal<this, ReadonlySet<string>>(this);
  private _stopped = new Signal<this, void>(this);
  private _ready = new PromiseDelegate<void>();
  private _kernel: Kernel.IKernelConnection | null = null;
  private _eventsComm: Kernel.IComm | null = null;
  private _document = '';
  private _sent = new SentDocument();
  private _patches = new DagPatches();
  private _timer: number | undefined;
  private _isChanged = false;
  private _isDue = false;
  private _isReady = false;
  private _isDisposed = false;
}
