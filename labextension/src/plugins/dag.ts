import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { DAG_MIME } from '../picture';
import { DagRenderer } from '../renderer';
import { IFlowConnections } from '../tokens';

// `flownb.dag()` gives a widget's view and this MIME type. ipywidgets' renderer has rank -10 and the lowest one draws; but
// the widget's model is gone when a notebook is opened again, while this needs no kernel and follows the same events.
const RANK = -20;

/** Draws flows in outputs. */
export const dagPlugin: JupyterFrontEndPlugin<void> = {
  id: 'flownb:dag',
  description: 'Draws flows in outputs, and updates them while they run.',
  autoStart: true,
  requires: [IRenderMimeRegistry, IFlowConnections],
  optional: [ITranslator],
  activate: (
    _: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    connections: IFlowConnections,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('flownb');
    rendermime.addFactory(
      {
        // Also in notebooks that are not trusted: it makes elements and text, and never parses markup.
        safe: true,
        mimeTypes: [DAG_MIME],
        createRenderer: () => new DagRenderer(connections, trans)
      },
      RANK
    );
  }
};
