import type { NotebookPanel } from '@jupyterlab/notebook';
import { OutputArea, OutputAreaModel } from '@jupyterlab/outputarea';
import type { Kernel } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { PanelLayout, Widget } from '@lumino/widgets';

/** What a command ran below a cell, without being part of the notebook. */
export class ResultArea extends Widget {
  constructor(
    panel: NotebookPanel,
    label: string,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('flownb-result');
    const layout = (this.layout = new PanelLayout());
    const head = new Widget();
    head.addClass('flownb-result-head');
    head.node.append(this._makeLabel(label), this._makeClose());
    this._output = new OutputArea({
      // It was computed by this kernel for this user a moment ago.
      model: new OutputAreaModel({ trusted: true }),
      rendermime: panel.content.rendermime,
      contentFactory: panel.content.contentFactory
    });
    layout.addWidget(head);
    layout.addWidget(this._output);
  }

  /**
   * Execute code that belongs to no cell.
   *
   * Output, errors and questions for input arrive here as they do below a cell. Ends when the kernel answered, or when
   * it went away. `prepare` is what must be done before.
   */
  async execute(
    kernel: Kernel.IKernelConnection,
    code: string,
    prepare: () => Promise<void>
  ): Promise<void> {
    this.addClass('flownb-mod-running');
    try {
      await prepare();
      if (this.isDisposed) {
        return;
      }
      const future = kernel.requestExecute({
        code,
        store_history: false,
        allow_stdin: true,
        stop_on_error: true
      });
      this._output.future = future;
      const reply = await future.done;
      if (reply.content.status === 'aborted') {
        this._say(
          this._trans.__(
            'Not run: something that ran before it failed. Try again.'
          )
        );
      }
    } catch {
      // The kernel was restarted, or this area was closed.
      this._say(this._trans.__('Stopped: the kernel went away.'));
    } finally {
      this.removeClass('flownb-mod-running');
    }
  }

  private _say(text: string): void {
    if (!this._output.isDisposed) {
      this._output.model.add({
        output_type: 'stream',
        name: 'stderr',
        text: `${text}\n`
      });
    }
  }

  private _makeLabel(text: string): HTMLElement {
    const label = document.createElement('span');
    label.className = 'flownb-result-label';
    label.textContent = text;
    return label;
  }

  private _makeClose(): HTMLElement {
    const close = document.createElement('button');
    const title = this._trans.__('Close');
    close.className = 'flownb-result-close';
    close.type = 'button';
    close.title = title;
    close.setAttribute('aria-label', title);
    // JupyterLab would take Enter on the button for "edit the cell".
    close.dataset.lmSuppressShortcuts = 'true';
    close.textContent = '×';
    close.addEventListener('click', () => this.dispose());
    return close;
  }

  private _output: OutputArea;
}
