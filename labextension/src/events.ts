// Mirrors flownb/runtime/events.py and flownb/widgets/messages.py;
// written by scripts/mirror_events.py, do not edit. Durations are seconds.

/** The comm that the kernel opens and publishes on. */
export const EVENTS_TARGET = 'flownb.events';

/** The comm that a view opens and sends on. */
export const DOCUMENT_TARGET = 'flownb.document';

export type StepState =
  'never' | 'running' | 'fresh' | 'stale' | 'failed' | 'untaken';

/**
 * What the badge of one step cell shows.
 */
export interface StepStatus {
  cell: string;
  step: string;
  state: StepState;
  detail: string;
  title: string;
}

/**
 * What one step of a displayed DAG shows; detail holds pieces of its second
 * line and whether each is code.
 */
export interface NodeStatus {
  name: string;
  state: StepState;
  detail: [string, boolean][];
  title: string;
}

/**
 * A run of the whole flow began.
 */
export interface RunStarted {
  type: 'RunStarted';
  flow: string;
  run: string;
}

/**
 * A run of the whole flow continues: emitted some times a second, for views
 * that do not follow every task.
 */
export interface RunGoesOn {
  type: 'RunGoesOn';
  flow: string;
  run: string;
}

/**
 * A task's first attempt began.
 */
export interface TaskStarted {
  type: 'TaskStarted';
  flow: string;
  run: string;
  step: string;
  task: string;
  mode: 'work' | 'spin' | 'run';
  attempt: number;
  index: number | null;
  num_splits: number | null;
  outer: number[];
}

/**
 * An attempt failed with error and is tried again.
 */
export interface TaskRetried {
  type: 'TaskRetried';
  flow: string;
  run: string;
  step: string;
  task: string;
  mode: 'work' | 'spin' | 'run';
  attempt: number;
  index: number | null;
  num_splits: number | null;
  outer: number[];
  error: string;
}

/**
 * An attempt wrote text, or displayed something.
 */
export interface TaskOutput {
  type: 'TaskOutput';
  flow: string;
  run: string;
  step: string;
  task: string;
  mode: 'work' | 'spin' | 'run';
  attempt: number;
  index: number | null;
  num_splits: number | null;
  outer: number[];
  kind: 'stdout' | 'stderr' | 'display' | 'clear';
  text: string;
  data: Record<string, unknown>;
  metadata: Record<string, unknown>;
  display_id: string;
  update: boolean;
}

/**
 * A task was cloned: its result is that of the origin task, run/step/task.
 */
export interface TaskCloned {
  type: 'TaskCloned';
  flow: string;
  run: string;
  step: string;
  task: string;
  mode: 'work' | 'spin' | 'run';
  attempt: number;
  index: number | null;
  num_splits: number | null;
  outer: number[];
  origin: string;
}

/**
 * A task's last attempt ended: how many seconds it took, and an error's type
 * and first line, or an empty text.
 */
export interface TaskEnded {
  type: 'TaskEnded';
  flow: string;
  run: string;
  step: string;
  task: string;
  mode: 'work' | 'spin' | 'run';
  attempt: number;
  index: number | null;
  num_splits: number | null;
  outer: number[];
  status: 'done' | 'failed' | 'interrupted';
  error: string;
  seconds: number;
}

/**
 * A card changed while its task runs; card is its id, empty for one without.
 */
export interface CardRefreshed {
  type: 'CardRefreshed';
  flow: string;
  run: string;
  step: string;
  task: string;
  card: string;
}

/**
 * A run of the whole flow ended: the number of its tasks, and how many seconds
 * it took.
 */
export interface RunEnded {
  type: 'RunEnded';
  flow: string;
  run: string;
  status: 'done' | 'failed' | 'interrupted';
  tasks: number;
  seconds: number;
}

/**
 * The states of step cells: all there are (whole), or the changed ones.
 */
export interface StepsChanged {
  type: 'StepsChanged';
  steps: StepStatus[];
  whole: boolean;
}

/**
 * Steps of one displayed DAG changed; dag is its id in the output's metadata.
 */
export interface DagChanged {
  type: 'DagChanged';
  dag: string;
  nodes: NodeStatus[];
}

/**
 * A displayed DAG has its final state: the content for its output, for a page
 * that was reloaded in the meantime.
 */
export interface DagDrawn {
  type: 'DagDrawn';
  dag: string;
  bundle: Record<string, unknown>;
  metadata: Record<string, unknown>;
}

/**
 * The notebook has an id from now on, which its metadata should hold:
 * metadata.flownb.id.
 */
export interface NotebookNamed {
  type: 'NotebookNamed';
  id: string;
}

export type FlowEvent =
  | RunStarted
  | RunGoesOn
  | TaskStarted
  | TaskRetried
  | TaskOutput
  | TaskCloned
  | TaskEnded
  | CardRefreshed
  | RunEnded
  | StepsChanged
  | DagChanged
  | DagDrawn
  | NotebookNamed;

/**
 * A code cell as the notebook's view shows it, saved or not, executed or not.
 */
export interface DocumentCell {
  id: string;
  source: string;
  tags: string[];
}

/**
 * What a view knows of the notebook itself: the name of its file, and the id
 * in its metadata or an empty text.
 */
export interface NotebookFacts {
  name: string;
  id: string;
}

/**
 * What a view sends of its document.
 */
export interface DocumentChanged {
  type: 'DocumentChanged';
  notebook: NotebookFacts;
  order: string[];
  cells: DocumentCell[];
}
