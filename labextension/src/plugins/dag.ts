import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { DAG_MIME_TYPE } from '../dag/payload';
import { DagRenderer } from '../renderer';
import { IFlowConnections } from '../tokens';

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
        mimeTypes: [DAG_MIME_TYPE],
        createRenderer: () => new DagRenderer(connections, trans)
      },
      0
    );
  }
};
