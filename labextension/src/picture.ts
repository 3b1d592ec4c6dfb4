// Mirrors flownb/picture/payload.py and flownb/picture/layout.py;
// written by scripts/mirror_events.py, do not edit. Sizes and places are pixels.

import type { StepState } from './events';

/** The MIME type of a flow's picture: laid out in Python, drawn here. */
export const DAG_MIME = 'application/vnd.flownb.dag+json';

export const STATE_WORDS: Readonly<Record<StepState, string>> = {
  never: 'never run',
  running: 'running',
  fresh: 'fresh',
  stale: 'stale',
  failed: 'failed',
  untaken: 'not taken'
};

/** The most urgent state first. */
export const BY_URGENCY: readonly StepState[] = [
  'failed',
  'running',
  'stale',
  'fresh',
  'untaken',
  'never'
];

/** The detail of a failed step that was stopped, and the word that is said of it in place of its state. */
export const INTERRUPTED = 'interrupted';

/**
 * One step's card.
 */
export interface PayloadNode {
  name: string;
  label: string;
  kind: 'linear' | 'split' | 'foreach' | 'join' | 'switch';
  state: StepState;
  detail: [string, boolean][];
  title: string;
  in_foreach: boolean;
  x: number;
  y: number;
  width: number;
  height: number;
}

/**
 * One arrow; strands are the thin lines beside it where it carries the tasks
 * of a foreach.
 */
export interface PayloadEdge {
  source: string;
  target: string;
  title: string;
  path: string;
  strands: string;
  head: [number, number];
  label: string;
  label_at: [number, number, number] | null;
}

/**
 * A flow's picture, laid out; sizes are pixels.
 */
export interface DagPayload {
  version: 1;
  flow: string;
  summary: string;
  description: string;
  width: number;
  height: number;
  nodes: PayloadNode[];
  edges: PayloadEdge[];
}
