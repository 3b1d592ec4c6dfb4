import {
  type Kernel,
  KernelMessage,
  ServerConnection,
  type ServiceManager,
  type Session
} from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { UUID } from '@lumino/coreutils';

import {
  besidePath,
  CONVERSION_TYPE,
  type Conversion,
  conversionCode,
  type ConversionMessage,
  type ConversionRequest,
  nameOf,
  type Sentences
} from './models/conversion';

// Milliseconds that the kernel gets to end what it executes and remove its files.
const PATIENCE = 5000;

/** Why nothing was converted. */
export class ConversionError extends Error {
  constructor(readonly sentences: Sentences) {
    super(sentences.what);
  }
}

/** What became of a request: a conversion, the name of a file that exists, or null if the user cancelled it. */
export type Outcome =
  { readonly result: Conversion } | { readonly exists: string } | null;

/**
 * A kernel that converts one notebook.
 *
 * It is not the notebook's own, which may be busy, dead, or not there, and whose variables have no place in a proof.
 * It is of the same kind, so that it has the notebook's packages, and works in the notebook's folder.
 */
export class ConversionKernel {
  /**
   * Start it.
   *
   * @param path - The notebook's.
   * @param kernel - The name of the kernel.
   */
  static async start(
    services: ServiceManager.IManager,
    path: string,
    kernel: string,
    trans: TranslationBundle
  ): Promise<ConversionKernel> {
    const name = nameOf(path);
    const beside = besidePath(path, `.${name}-${UUID.uuid4()}`);
    try {
      // The server starts the kernel in the folder of this path; there need not be a file.
      const session = await services.sessions.startNew({
        path: services.contents.localPath(beside),
        name: trans.__('Conversion of %1', name),
        type: 'conversion',
        kernel: { name: kernel }
      });
      return new ConversionKernel(session, services.serverSettings, trans);
    } catch (reason) {
      throw new ConversionError({
        what: trans.__('The kernel `%1` did not start.', kernel),
        why: reason instanceof Error ? reason.message : `${reason}`,
        fix: trans.__(
          'Open the notebook, choose a kernel that starts with Kernel › Change Kernel…, save, and convert again.'
        )
      });
    }
  }

  private constructor(
    private _session: Session.ISessionConnection,
    private _settings: ServerConnection.ISettings,
    private _trans: TranslationBundle
  ) {
    window.addEventListener('pagehide', this._leave);
  }

  /** Convert, and report what is done meanwhile. */
  async convert(
    request: ConversionRequest,
    onProgress: (text: string) => void
  ): Promise<Outcome> {
    const kernel = this._session.kernel;
    if (!kernel || this._isCancelled) {
      return null;
    }
    let outcome: Outcome = null;
    let failure: Sentences | null = null;
    const future = kernel.requestExecute({
      code: conversionCode(request),
      store_history: false,
      allow_stdin: false
    });
    future.onIOPub = message => {
      if (KernelMessage.isDisplayDataMsg(message)) {
        const data = message.content.data[CONVERSION_TYPE];
        if (!data) {
          return;
        }
        const said = data as unknown as ConversionMessage;
        if ('progress' in said) {
          onProgress(said.progress);
        } else if ('error' in said) {
          failure = said.error;
        } else {
          outcome = said;
        }
      } else if (KernelMessage.isErrorMsg(message)) {
        failure = this._explain(message.content);
      }
    };
    try {
      await Promise.race([future.done, died(kernel)]);
    } catch {
      failure = {
        what: this._trans.__('The kernel that converts the notebook died.'),
        why: this._trans.__(
          'It could not start, was shut down, or the machine had too little memory for it.'
        ),
        fix: this._trans.__(
          'Check that the kernel starts in the notebook, shut down others that you do not need, and convert again.'
        )
      };
    }
    if (this._isCancelled) {
      return null;
    }
    if (failure) {
      throw new ConversionError(failure);
    }
    if (!outcome) {
      throw new ConversionError({
        what: this._trans.__('The kernel gave no answer.'),
        why: this._trans.__('It is not an IPython kernel.'),
        fix: this._trans.__(
          'Choose one with Kernel › Change Kernel…, save, and convert again.'
        )
      });
    }
    return outcome;
  }

  /** End the conversion that is under way; it returns null. */
  cancel(): void {
    this._isCancelled = true;
    // The kernel ends the processes of the proof and removes its files.
    this._session.kernel?.interrupt().catch(() => {
      // It is gone.
    });
    // A kernel that does not react to that is shut down all the same.
    window.setTimeout(() => this.shutDown(), PATIENCE);
  }

  /** End the kernel. */
  shutDown(): void {
    window.removeEventListener('pagehide', this._leave);
    if (!this._session.isDisposed) {
      this._session.shutdown().catch(() => {
        // It is gone.
      });
    }
  }

  /** The page is left: nobody waits for the result, and nobody could end the kernel later. */
  private _leave = (): void => {
    const { id, kernel } = this._session;
    // As in `cancel`; requests of a page that is gone have to be marked as such.
    for (const [path, method] of [
      [`api/kernels/${kernel?.id}/interrupt`, 'POST'],
      [`api/sessions/${id}`, 'DELETE']
    ]) {
      const url = new URL(path, this._settings.baseUrl).href;
      const init = { method, keepalive: true };
      ServerConnection.makeRequest(url, init, this._settings).catch(() => {
        // The server is gone, too.
      });
    }
  };

  /** An error that flownb did not expect, or that it is not there to expect. */
  private _explain(content: KernelMessage.IErrorMsg['content']): Sentences {
    const trans = this._trans;
    const { ename, evalue } = content;
    const kernel = this._session.kernel?.name ?? '';
    if (ename === 'ModuleNotFoundError' && /'flownb'/.test(evalue)) {
      return {
        what: trans.__(
          'flownb is not installed in the environment of the kernel `%1`.',
          kernel
        ),
        why: trans.__(
          'A notebook is converted where its packages are: a proof executes it.'
        ),
        fix: trans.__(
          'Execute `%pip install flownb` in a cell of the notebook, and convert again.'
        )
      };
    }
    if (/convert_notebook|flownb\.magics/.test(evalue)) {
      return {
        what: trans.__(
          'The flownb in the environment of the kernel `%1` is another version than the extension of JupyterLab.',
          kernel
        ),
        why: `${ename}: ${evalue}`,
        fix: trans.__(
          'Execute `%pip install --upgrade flownb` in a cell of the notebook, and convert again.'
        )
      };
    }
    return {
      what: trans.__('The conversion failed.'),
      why: `${ename}: ${evalue}`,
      fix: trans.__(
        'This is an error in flownb. `flownb convert` in a terminal shows where it happened; please report it.'
      )
    };
  }

  private _isCancelled = false;
}

/** Rejects when the kernel dies. */
function died(kernel: Kernel.IKernelConnection): Promise<never> {
  return new Promise((_, reject) => {
    kernel.statusChanged.connect((_, status) => {
      if (status === 'autorestarting' || status === 'dead') {
        reject(new Error(status));
      }
    });
    kernel.disposed.connect(() => reject(new Error('disposed')));
  });
}
