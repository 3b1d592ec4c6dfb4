import type { ICodeCellModel } from '@jupyterlab/cells';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { JSONExt, PartialJSONObject } from '@lumino/coreutils';

import type { DagDrawn, NodeStatus } from './events';
import { liveDag, stoppedBundle, withoutDag } from './models/stopped';

/** The outputs of a notebook that the kernel changes, with their ids; also those that are not drawn. */
export function* liveOutputs(
  model: INotebookModel
): Iterable<[IRenderMime.IMimeModel, string]> {
  for (const cell of model.cells) {
    if (cell.type !== 'code') {
      continue;
    }
    const { outputs } = cell as ICodeCellModel;
    for (let index = 0; index < outputs.length; index++) {
      const output = outputs.get(index);
      const dag = liveDag(output.metadata);
      if (dag !== null) {
        yield [output, dag];
      }
    }
  }
}

/** Write the final state of a DAG into its output, which is drawn and saved like that from then on. */
export function writeDrawn(
  output: IRenderMime.IMimeModel,
  { bundle, metadata }: DagDrawn
): void {
  const now = { data: output.data, metadata: output.metadata };
  const drawn = {
    data: bundle as PartialJSONObject,
    metadata: metadata as PartialJSONObject
  };
  if (!JSONExt.deepEqual(now, drawn)) {
    output.setData(drawn);
  }
}

/** Write what was known of a DAG when its kernel stopped into its output. */
export function writeStopped(
  output: IRenderMime.IMimeModel,
  last: readonly NodeStatus[]
): void {
  output.setData({
    data: stoppedBundle(output.data, last) as PartialJSONObject,
    metadata: withoutDag(output.metadata) as PartialJSONObject
  });
}
