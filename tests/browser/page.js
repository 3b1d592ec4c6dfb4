// What the tests ask of JupyterLab, by cell id. Defined in every page before its own scripts.
window.lab = {
  get panel() {
    return window.jupyterapp?.shell.currentWidget;
  },
  get kernel() {
    return this.panel?.sessionContext?.session?.kernel;
  },
  path() {
    return this.panel?.context?.path;
  },
  open(path) {
    return this.path() === path && this.panel.context.isReady && this.panel.content.widgets.length > 0;
  },
  // A cell that is run before the kernel is connected is skipped silently.
  ready() {
    const kernel = this.kernel;
    return (
      !!kernel && this.panel.sessionContext.isReady && kernel.connectionStatus === 'connected' && kernel.status === 'idle'
    );
  },
  cell(id) {
    const found = this.panel.content.widgets.find(cell => cell.model.id === id);
    if (!found) {
      throw new Error(`there is no cell ${id}`);
    }
    return found;
  },
  ids() {
    return this.panel.content.widgets.map(cell => cell.model.id);
  },
  select(id, mode) {
    const notebook = this.panel.content;
    notebook.activeCellIndex = this.ids().indexOf(id);
    notebook.deselectAll();
    notebook.mode = mode;
    if (mode === 'edit') {
      notebook.activeCell.editor.focus();
    } else {
      notebook.node.focus();
    }
  },
  async run(id) {
    this.select(id, 'command');
    await window.jupyterapp.commands.execute('notebook:run-cell');
  },
  badge(id) {
    const node = this.cell(id).node.querySelector('.flownb-badge');
    return node && { step: node.dataset.flownbStep, state: node.dataset.flownbState, text: node.textContent, title: node.title };
  },
  badges() {
    return Object.fromEntries(this.ids().map(id => [id, this.badge(id)]).filter(([_, badge]) => badge));
  },
  dag(id) {
    const svg = this.cell(id).node.querySelector('.jp-Cell-outputArea svg.flownb-dag-live');
    if (!svg) {
      return null;
    }
    const nodes = svg.querySelectorAll('g[data-flownb-node]');
    return Object.fromEntries([...nodes].map(node => [node.dataset.flownbNode, node.dataset.flownbState]));
  },
  output(id) {
    return this.cell(id).node.querySelector('.jp-Cell-outputArea')?.innerText ?? '';
  },
  outputs(id) {
    return this.cell(id).model.outputs.toJSON();
  },
  result(id) {
    const node = this.cell(id).node.querySelector('.flownb-result');
    return node && node.innerText;
  }
};
