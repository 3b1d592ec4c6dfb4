import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  Dialog,
  ICommandPalette,
  Notification,
  showDialog
} from '@jupyterlab/apputils';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { type Kernel, KernelMessage } from '@jupyterlab/services';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import {
  besidePath,
  type Conversion,
  errorText,
  readConversion
} from '../models/conversion';
import { IFlowConnections } from '../tokens';

/** The command that converts the current notebook to a flow in a new file. */
export const CONVERT_NOTEBOOK = 'flownb:convert-notebook';

const CODE =
  'from flownb.magics.shortcuts import convert_notebook; convert_notebook()';

/** Converts the current notebook through its kernel, and opens the flow. */
export const conversionPlugin: JupyterFrontEndPlugin<void> = {
  id: 'flownb:conversion',
  description: 'Adds a command that converts a plain notebook to a flow.',
  autoStart: true,
  requires: [INotebookTracker, IFlowConnections],
  optional: [ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    connections: IFlowConnections,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('flownb');
    app.commands.addCommand(CONVERT_NOTEBOOK, {
      label: trans.__('Convert to a Flow'),
      caption: trans.__(
        'Write a flow that gives the same values as this notebook to a new notebook'
      ),
      isEnabled: () => tracker.currentWidget !== null,
      execute: async () => {
        const panel = tracker.currentWidget;
        if (!panel) {
          return;
        }
        if (!panel.sessionContext.session?.kernel) {
          Notification.warning(
            trans.__(
              'This notebook has no kernel. Choose one with Kernel › Change Kernel… and try again.'
            ),
            { autoClose: 8000 }
          );
          return;
        }
        const working = Notification.emit(
          trans.__('Converting %1…', panel.title.label),
          'in-progress',
          { autoClose: false }
        );
        try {
          const conversion = await convert(panel, connections, trans);
          if (conversion.written === null) {
            await show(trans.__('Not converted'), conversion.report, trans);
            return;
          }
          const path = besidePath(panel.context.path, conversion.written);
          await app.commands.execute('docmanager:open', { path });
          Notification.success(trans.__('Wrote %1.', conversion.written), {
            autoClose: 8000,
            actions: [
              {
                label: trans.__('Report'),
                callback: () => {
                  void show(path, conversion.report, trans);
                }
              }
            ]
          });
        } catch (reason) {
          const text = reason instanceof Error ? reason.message : `${reason}`;
          await show(trans.__('Not converted'), [text], trans);
        } finally {
          Notification.dismiss(working);
        }
      }
    });
    palette?.addItem({ command: CONVERT_NOTEBOOK, category: 'flownb' });
  }
};

/** Save the notebook and let its kernel convert what was saved. */
async function convert(
  panel: NotebookPanel,
  connections: IFlowConnections,
  trans: TranslationBundle
): Promise<Conversion> {
  const { context, sessionContext } = panel;
  if (context.model.dirty) {
    await context.save();
  }
  const connection = connections.get(panel);
  await connection.connect();
  connection.sendDocument();
  // Saving takes time, in which the kernel may have gone.
  const kernel = sessionContext.session?.kernel;
  const printed = kernel ? await execute(kernel) : '';
  const conversion = readConversion(printed);
  if (!conversion) {
    throw new Error(
      trans.__(
        'The kernel did not answer. Wait until it is idle, or restart it, and try again.'
      )
    );
  }
  return conversion;
}

/** Execute the conversion, and return what is printed. */
async function execute(kernel: Kernel.IKernelConnection): Promise<string> {
  let printed = '';
  let failure = '';
  const future = kernel.requestExecute({
    code: CODE,
    store_history: false,
    stop_on_error: true
  });
  future.onIOPub = message => {
    if (KernelMessage.isStreamMsg(message)) {
      printed += message.content.name === 'stdout' ? message.content.text : '';
    } else if (KernelMessage.isErrorMsg(message)) {
      failure = errorText(message.content.traceback, message.content.evalue);
    }
  };
  await future.done;
  if (failure) {
    throw new Error(failure);
  }
  return printed;
}

/** Show lines in a dialog, as they are. */
async function show(
  title: string,
  lines: readonly string[],
  trans: TranslationBundle
): Promise<void> {
  const body = new Widget({ node: document.createElement('pre') });
  body.addClass('flownb-report');
  body.node.textContent = lines.join('\n');
  await showDialog({
    title,
    body,
    buttons: [Dialog.okButton({ label: trans.__('Close') })]
  });
}
