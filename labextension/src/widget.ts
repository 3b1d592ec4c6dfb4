import { DagDrawing } from './dag/drawing';
import { readNodeStatuses, readPayload } from './dag/payload';

/** The part of anywidget's model that this widget uses; Python's side is `flownb/widgets/dag.py`. */
interface WidgetModel {
  get(key: 'picture'): unknown;
  set(key: 'selected', value: string): void;
  save_changes(): void;
  on(event: 'change:picture', callback: () => void): void;
  on(event: 'msg:custom', callback: (message: unknown) => void): void;
  off(event: string, callback: (message: unknown) => void): void;
}

/** Draw a flow's picture in any front end that shows anywidgets, and patch it in place. */
function render({
  model,
  el
}: {
  model: WidgetModel;
  el: HTMLElement;
}): () => void {
  let drawing: DagDrawing | null = null;

  const onSelect = (step: string): void => {
    model.set('selected', step);
    model.save_changes();
  };
  const draw = (): void => {
    const payload = readPayload(model.get('picture'));
    if (typeof payload === 'string') {
      drawing = null;
      const message = document.createElement('div');
      message.className = 'flownb-dag-message';
      message.textContent = payload;
      el.replaceChildren(message);
    } else if (drawing?.fits(payload)) {
      drawing.replace(payload);
    } else {
      drawing = new DagDrawing(payload, { onSelect });
      el.replaceChildren(drawing.node);
    }
  };
  const onMessage = (message: unknown): void => {
    const { type, nodes } = (message ?? {}) as Record<string, unknown>;
    if (type === 'DagChanged') {
      drawing?.update(readNodeStatuses(nodes));
    }
  };

  draw();
  model.on('change:picture', draw);
  model.on('msg:custom', onMessage);
  return () => {
    model.off('change:picture', draw);
    model.off('msg:custom', onMessage);
  };
}

export default { render };
