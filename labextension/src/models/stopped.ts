import { readPayload } from '../dag/payload';
import type { NodeStatus } from '../events';
import { DAG_MIME, DagPayload, PayloadNode } from '../picture';
import { counted, summary } from './states';

const WHY = 'kernel stopped';
// Of a card's second line, in pixels; Python measures letters, here a wide estimate must do.
const LETTER = 6.2;
const MARGINS = 50;

/** The content of an output, as far as it matters here. */
export type Bundle = Record<string, unknown>;

/**
 * The id under which the kernel changes an output, or null when it does not any more.
 *
 * That of an active run is its `dag`; one that shows the flow as the badges do `follows` them.
 */
export function liveDag(metadata: Bundle): string | null {
  const ours = metadata.flownb as Live | null | undefined;
  const id = ours?.dag ?? ours?.follows;
  return typeof id === 'string' ? id : null;
}

interface Live {
  dag?: unknown;
  follows?: unknown;
}

/** The run that an output shows, such as "F/7", or null when it shows the flow as it is. */
export function shownRun(metadata: Bundle): string | null {
  const ours = metadata.flownb as { run?: unknown } | null | undefined;
  return typeof ours?.run === 'string' ? ours.run : null;
}

/** An output's metadata without that id. */
export function withoutDag(metadata: Bundle): Bundle {
  const ours = { ...(metadata.flownb as object) } as Live;
  delete ours.dag;
  delete ours.follows;
  return { ...metadata, flownb: ours };
}

/**
 * The content of an output whose kernel has stopped: each step as the kernel sent it last, and what ran as failed.
 *
 * The SVG and the text still show the flow as it was displayed first, so the SVG is removed and the text is written again.
 */
export function stoppedBundle(
  bundle: Bundle,
  sent: readonly NodeStatus[]
): Bundle {
  const payload = readPayload(bundle[DAG_MIME]);
  if (typeof payload === 'string') {
    return bundle;
  }
  const last = new Map(sent.map(status => [status.name, status]));
  const nodes = payload.nodes.map(node =>
    stopped({ ...node, ...last.get(node.name) })
  );
  if (nodes.every((node, index) => sameState(node, payload.nodes[index]))) {
    return bundle;
  }
  const ended: DagPayload = {
    ...payload,
    nodes,
    summary: summary(nodes.map(counted)),
    description: description(payload, nodes)
  };
  const others = { ...bundle };
  delete others['image/svg+xml'];
  return {
    ...others,
    [DAG_MIME]: ended,
    'text/plain': [
      `${ended.flow}  ${ended.summary}`,
      ...nodes.map(node => node.title)
    ].join('\n')
  };
}

function sameState(one: PayloadNode, other: PayloadNode): boolean {
  return one.state === other.state && one.title === other.title;
}

function stopped(node: PayloadNode): PayloadNode {
  if (node.state !== 'running') {
    return node;
  }
  const room = Math.floor((node.width - MARGINS) / LETTER);
  const text = `failed · ${WHY}`;
  const cut = text.length > room ? `${text.slice(0, room - 1).trim()}…` : text;
  return {
    ...node,
    state: 'failed',
    detail: [[cut, false]],
    title: node.title.replace(/: running(, [^;]*)?/, `: failed, ${WHY}`)
  };
}

/** The picture in words, as Python's `flow_description` says it. */
export function description(
  { edges }: DagPayload,
  nodes: readonly PayloadNode[]
): string {
  const sentences = nodes.map(node => {
    const targets = edges
      .filter(edge => edge.source === node.name)
      .map(edge => edge.target);
    return targets.length
      ? `${node.title}; leads to ${targets.join(', ')}.`
      : `${node.title}.`;
  });
  const count = `${nodes.length} step${nodes.length === 1 ? '' : 's'}`;
  return [`A flow of ${count}.`, ...sentences].join(' ');
}
