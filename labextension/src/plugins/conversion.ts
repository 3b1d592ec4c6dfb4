import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  Dialog,
  ICommandPalette,
  MainAreaWidget,
  Notification,
  showDialog
} from '@jupyterlab/apputils';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import { UUID } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';

import { ConversionError, ConversionKernel } from '../conversion';
import {
  besidePath,
  chooseKernel,
  type Conversion,
  isOnlyUnproved,
  type KernelSpecs,
  nameOf,
  notebookName,
  numberedName,
  type Sentences
} from '../models/conversion';
import { ConversionReport, SentencesWidget } from '../report';

/** The names of the commands. */
export namespace CommandIDs {
  /** Convert the current notebook to a flow in a new file. */
  export const convertNotebook = 'flownb:convert-notebook';
  /** Convert the notebook that is selected in the file browser. */
  export const convertFile = 'flownb:convert-file';
}

/** Converts a plain notebook to a flow in a new notebook, and opens that with a report. */
export const conversionPlugin: JupyterFrontEndPlugin<void> = {
  id: 'flownb:conversion',
  description: 'Adds commands that convert a plain notebook to a flow.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IFileBrowserFactory, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    browsers: IFileBrowserFactory | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('flownb');
    const converter = new Converter(app, tracker, trans);
    const label = trans.__('Convert to a Flow');
    const caption = trans.__(
      'Write a flow that gives the same values as this notebook to a new notebook'
    );
    app.commands.addCommand(CommandIDs.convertNotebook, {
      label,
      caption,
      isEnabled: () => tracker.currentWidget !== null,
      execute: async () => {
        const panel = tracker.currentWidget;
        if (panel) {
          await converter.convert(panel.context.path);
        }
      }
    });
    palette?.addItem({
      command: CommandIDs.convertNotebook,
      category: 'flownb'
    });
    if (!browsers) {
      return;
    }
    const selected = (): string | null => {
      const items = [
        ...(browsers.tracker.currentWidget?.selectedItems() ?? [])
      ];
      return items.length === 1 && items[0].type === 'notebook'
        ? items[0].path
        : null;
    };
    app.commands.addCommand(CommandIDs.convertFile, {
      label,
      caption,
      isEnabled: () => selected() !== null,
      isVisible: () => selected() !== null,
      execute: async () => {
        const path = selected();
        if (path !== null) {
          await converter.convert(path);
        }
      }
    });
  }
};

/** Converts notebooks, one at a time of each file, and shows what comes of it. */
class Converter {
  constructor(
    private _app: JupyterFrontEnd,
    private _tracker: INotebookTracker,
    private _trans: TranslationBundle
  ) {}

  /** Convert a notebook, open or not. */
  async convert(path: string): Promise<void> {
    if (this._paths.has(path)) {
      Notification.info(
        this._trans.__('%1 is being converted already.', nameOf(path)),
        { autoClose: 5000 }
      );
      return;
    }
    this._paths.add(path);
    try {
      await this._convert(path);
    } catch (reason) {
      await this._explain(reason);
    } finally {
      this._paths.delete(path);
    }
  }

  private async _convert(path: string): Promise<void> {
    const trans = this._trans;
    const name = nameOf(path);
    let kernel: ConversionKernel | null = null;
    let isCancelled = false;
    const working = Notification.emit(
      trans.__('Converting %1…', name),
      'in-progress',
      {
        autoClose: false,
        actions: [
          {
            label: trans.__('Cancel'),
            callback: () => {
              isCancelled = true;
              kernel?.cancel();
            }
          }
        ]
      }
    );
    try {
      const kernelName = await this._prepare(path);
      if (isCancelled) {
        return;
      }
      kernel = await ConversionKernel.start(
        this._app.serviceManager,
        path,
        kernelName,
        trans
      );
      if (isCancelled) {
        return;
      }
      let output: string | null = null;
      let force = false;
      let verify = true;
      for (;;) {
        const outcome = await kernel.convert(
          { name, output, force, verify },
          text => {
            const message = trans.__('Converting %1: %2', name, text);
            Notification.update({ id: working, message });
          }
        );
        if (!outcome) {
          return;
        }
        if ('exists' in outcome) {
          const answer = await this._askForName(path, outcome.exists);
          if (!answer) {
            return;
          }
          ({ output, force } = answer);
          continue;
        }
        const { result } = outcome;
        if (result.output === null) {
          Notification.dismiss(working);
          if (result.changed && (await this._showUnwritten(name, result))) {
            verify = false;
            continue;
          }
          if (!result.changed) {
            Notification.info(
              trans.__('%1 is a flow already; nothing was written.', name),
              { autoClose: 8000 }
            );
          }
          return;
        }
        Notification.dismiss(working);
        const written = besidePath(path, nameOf(result.output));
        await this._open(written, result);
        return;
      }
    } finally {
      Notification.dismiss(working);
      kernel?.shutDown();
    }
  }

  /** Save the notebook if it is open, and choose the kernel to convert it in. */
  private async _prepare(path: string): Promise<string> {
    const { serviceManager } = this._app;
    const panel = this._find(path);
    let metadata: Metadata;
    let own: string | undefined;
    if (panel) {
      await this._save(panel);
      metadata = panel.context.model.sharedModel.metadata as Metadata;
      own = panel.sessionContext.session?.kernel?.name;
    } else {
      const file = await serviceManager.contents.get(path);
      metadata = ((file.content as { metadata?: Metadata } | null)?.metadata ??
        {}) as Metadata;
    }
    await serviceManager.kernelspecs.ready;
    const specs = serviceManager.kernelspecs.specs as KernelSpecs | null;
    const asked = own ?? metadata.kernelspec?.name ?? null;
    const language =
      metadata.kernelspec?.language ?? metadata.language_info?.name ?? null;
    const choice = chooseKernel(
      specs ?? { default: '', kernelspecs: {} },
      asked,
      own === undefined ? language : null
    );
    if ('name' in choice) {
      return choice.name;
    }
    const trans = this._trans;
    const name = nameOf(path);
    throw new ConversionError(
      choice.problem === 'language'
        ? {
            what: trans.__('`%1` is not a Python notebook.', name),
            why: trans.__('Flows are written in Python.'),
            fix: trans.__(
              'If it has Python code, choose a Python kernel with Kernel › Change Kernel…, save, and convert again.'
            )
          }
        : {
            what: trans.__('The kernel of `%1` is not known.', name),
            why: asked
              ? trans.__(
                  'The notebook names `%1`, which is not installed here, and there is not just one Python kernel instead.',
                  asked
                )
              : trans.__('The notebook names none, and there is no default.'),
            fix: trans.__(
              'Open it, choose a kernel that has its packages with Kernel › Change Kernel…, save, and convert again.'
            )
          }
    );
  }

  /** A conversion reads the file, so the file has to be what the user sees. */
  private async _save({ context }: NotebookPanel): Promise<void> {
    if (!context.model.dirty) {
      return;
    }
    try {
      await context.save();
    } catch {
      // What is wrong is shown by JupyterLab.
    }
    if (context.model.dirty) {
      const trans = this._trans;
      throw new ConversionError({
        what: trans.__('`%1` could not be saved.', nameOf(context.path)),
        why: trans.__(
          'A conversion reads the file, which is not what you see here.'
        ),
        fix: trans.__(
          'Save the notebook, under another name if need be, and convert again.'
        )
      });
    }
  }

  /** The file to write exists: ask for another name, or whether to replace it; null if neither. */
  private async _askForName(
    path: string,
    exists: string
  ): Promise<{ output: string; force: boolean } | null> {
    const trans = this._trans;
    const free = await this._freeName(path, exists);
    const isUnsaved = !!this._find(besidePath(path, exists))?.context.model
      .dirty;
    const body = new NameField(
      [
        trans.__('`%1` exists already.', exists),
        ...(isUnsaved
          ? [
              trans.__(
                'It is open and has changes that are not saved; they are lost if you replace it.'
              )
            ]
          : [])
      ],
      trans.__('Write the flow to:'),
      free
    );
    const answer = await showDialog({
      title: trans.__('Convert to a Flow'),
      body,
      focusNodeSelector: 'input',
      buttons: [
        Dialog.cancelButton(),
        Dialog.warnButton({
          label: trans.__('Replace %1', exists),
          actions: ['replace']
        }),
        Dialog.okButton({ label: trans.__('Write to This Name') })
      ],
      defaultButton: 2
    });
    if (!answer.button.accept) {
      return null;
    }
    if (answer.button.actions.includes('replace')) {
      return { output: exists, force: true };
    }
    const output = notebookName(answer.value ?? '');
    if (output === null) {
      throw new ConversionError({
        what: trans.__('`%1` is not the name of a file.', answer.value ?? ''),
        why: trans.__('The flow is written beside the notebook.'),
        fix: trans.__('Convert again, and write a name without a folder.')
      });
    }
    return { output, force: false };
  }

  /** A name like that of a file in the notebook's folder, of which there is no file. */
  private async _freeName(path: string, exists: string): Promise<string> {
    const folder = besidePath(path, '').replace(/\/$/, '');
    const { content } = await this._app.serviceManager.contents.get(folder);
    const names = new Set(
      (content as readonly { readonly name: string }[]).map(file => file.name)
    );
    for (let number = 2; ; number++) {
      const name = numberedName(exists, number);
      if (!names.has(name)) {
        return name;
      }
    }
  }

  /** Open the flow, and the report beside it. */
  private async _open(path: string, conversion: Conversion): Promise<void> {
    const trans = this._trans;
    const { shell, commands } = this._app;
    const earlier = this._find(path);
    const opened = (await commands.execute('docmanager:open', {
      path
    })) as Widget | undefined;
    // A notebook that is open shows what the file held before.
    await earlier?.context.revert();
    const content = new ConversionReport(conversion, trans);
    const report = new MainAreaWidget({ content });
    report.id = `flownb-report-${UUID.uuid4()}`;
    report.title.label = trans.__('Report: %1', nameOf(path));
    report.title.closable = true;
    // Several reports are tabs of one area.
    const other = this._report?.isAttached ? this._report : null;
    this._report = report;
    shell.add(report, 'main', {
      ref: (other ?? opened)?.id ?? null,
      mode: other ? 'tab-after' : 'split-right',
      activate: other !== null
    });
    if (other && opened) {
      shell.activateById(opened.id);
    }
    Notification.success(
      conversion.verification
        ? trans.__(
            'Wrote %1. %2',
            nameOf(path),
            conversion.verification.summary
          )
        : trans.__('Wrote %1; it is not proved.', nameOf(path)),
      { autoClose: 8000 }
    );
  }

  /** Show why nothing was written; returns whether to write it without a proof. */
  private async _showUnwritten(
    name: string,
    conversion: Conversion
  ): Promise<boolean> {
    const trans = this._trans;
    const canWrite = isOnlyUnproved(conversion);
    const close = Dialog.cancelButton({ label: trans.__('Close') });
    const write = Dialog.warnButton({
      label: trans.__('Write It Without a Proof')
    });
    const { button } = await showDialog({
      title: trans.__('%1 was not converted', name),
      body: new ConversionReport(conversion, trans),
      buttons: canWrite ? [close, write] : [close],
      defaultButton: 0
    });
    return canWrite && button.accept;
  }

  private async _explain(reason: unknown): Promise<void> {
    const said: Sentences =
      reason instanceof ConversionError
        ? reason.sentences
        : {
            what: reason instanceof Error ? reason.message : `${reason}`,
            why: '',
            fix: ''
          };
    await showDialog({
      title: this._trans.__('Not converted'),
      body: new SentencesWidget(said),
      buttons: [Dialog.okButton({ label: this._trans.__('Close') })]
    });
  }

  private _find(path: string): NotebookPanel | undefined {
    return this._tracker.find(panel => panel.context.path === path);
  }

  private _paths = new Set<string>();
  private _report: Widget | null = null;
}

/** What of a notebook's metadata says which kernel it has. */
interface Metadata {
  readonly kernelspec?: { readonly name?: string; readonly language?: string };
  readonly language_info?: { readonly name?: string };
}

/** Texts, and a field for a name. */
class NameField extends Widget implements Dialog.IBodyWidget<string> {
  constructor(texts: readonly string[], label: string, name: string) {
    super();
    this.addClass('flownb-report');
    for (const text of texts) {
      const line = document.createElement('p');
      line.textContent = text.replaceAll('`', '');
      this.node.append(line);
    }
    const field = document.createElement('label');
    field.textContent = label;
    this._input.className = 'jp-mod-styled';
    this._input.value = name;
    field.append(this._input);
    this.node.append(field);
  }

  getValue(): string {
    return this._input.value;
  }

  private _input = document.createElement('input');
}
