import type { NodeStatus } from '../events';
import { isState } from '../models/states';
import type { DagPayload } from '../picture';

/**
 * Read the content of the DAG's MIME type, which may come from a file that somebody else wrote.
 *
 * Returns the payload, or a sentence that says why it cannot be drawn. It never throws.
 */
export function readPayload(value: unknown): DagPayload | string {
  if (!isObject(value)) {
    return 'This picture of a flow cannot be drawn: its data is not an object.';
  }
  if (value.version !== 1) {
    return (
      `This picture of a flow has version ${describe(value.version)}; ` +
      'this extension draws version 1. Update flownb to see it.'
    );
  }
  const bad = problem(value);
  return bad === null
    ? (value as unknown as DagPayload)
    : `This picture of a flow cannot be drawn: ${bad}.`;
}

/** Keep the node patches that can be applied; what is malformed is left out. */
export function readNodeStatuses(value: unknown): NodeStatus[] {
  return Array.isArray(value)
    ? value.filter(
        (node): node is NodeStatus =>
          isObject(node) &&
          typeof node.name === 'string' &&
          typeof node.title === 'string' &&
          isState(node.state) &&
          isDetail(node.detail)
      )
    : [];
}

type Fields = Record<string, unknown>;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string'
    ? String(value)
    : 'none';
}

function isNumbers(value: unknown, length: number): boolean {
  return (
    Array.isArray(value) &&
    value.length === length &&
    value.every(item => Number.isFinite(item))
  );
}

function isDetail(value: unknown): value is [string, boolean][] {
  return (
    Array.isArray(value) &&
    value.every(
      piece =>
        Array.isArray(piece) &&
        typeof piece[0] === 'string' &&
        typeof piece[1] === 'boolean'
    )
  );
}

function problem(value: Fields): string | null {
  for (const key of ['flow', 'summary', 'description']) {
    if (typeof value[key] !== 'string') {
      return `“${key}” is not text`;
    }
  }
  if (!isNumbers([value.width, value.height], 2)) {
    return 'its size is missing';
  }
  if (!Array.isArray(value.nodes) || !value.nodes.every(isNode)) {
    return 'a step is incomplete';
  }
  if (!Array.isArray(value.edges) || !value.edges.every(isEdge)) {
    return 'an arrow is incomplete';
  }
  return null;
}

function isNode(value: unknown): boolean {
  return (
    isObject(value) &&
    ['name', 'label', 'kind', 'title'].every(
      key => typeof value[key] === 'string'
    ) &&
    isState(value.state) &&
    isDetail(value.detail) &&
    isNumbers([value.x, value.y, value.width, value.height], 4)
  );
}

function isEdge(value: unknown): boolean {
  return (
    isObject(value) &&
    ['source', 'target', 'title', 'path', 'strands', 'label'].every(
      key => typeof value[key] === 'string'
    ) &&
    isNumbers(value.head, 2) &&
    (value.label_at === null || isNumbers(value.label_at, 3))
  );
}
