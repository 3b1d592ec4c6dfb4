import type { NodeStatus, StepState } from '../events';
import { BY_URGENCY, INTERRUPTED, STATE_WORDS } from '../picture';

/** Whether a value is one of the states that a step can have. */
export function isState(value: unknown): value is StepState {
  return typeof value === 'string' && Object.hasOwn(STATE_WORDS, value);
}

/**
 * A state in a word, by the state and the first words of its detail: a step that was only stopped is not said to have
 * failed. The rule of Python's `flownb/picture/layout.py`.
 */
export function stateWord(state: StepState, detail: string): string {
  return state === 'failed' && detail === INTERRUPTED
    ? INTERRUPTED
    : STATE_WORDS[state];
}

/** What a summary counts of a step: its state, and the word that is said of it. */
export interface Counted {
  state: StepState;
  word: string;
}

/** What a summary counts of a step, by how it is drawn: the second line of its card begins with its word. */
export function counted({ state, detail }: NodeStatus): Counted {
  return { state, word: stateWord(state, detail[0]?.[0] ?? '') };
}

/** Say how many steps are in which state, such as "4 steps · 1 failed · 3 fresh". */
export function summary(steps: Iterable<Counted>): string {
  const counts = new Map<string, number>();
  let all = 0;
  for (const { state, word } of steps) {
    const key = `${state} ${word}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    all += 1;
  }
  const parts = [`${all} ${all === 1 ? 'step' : 'steps'}`];
  for (const state of BY_URGENCY) {
    for (const word of new Set([STATE_WORDS[state], INTERRUPTED])) {
      const count = counts.get(`${state} ${word}`);
      if (count !== undefined) {
        parts.push(`${count} ${word}`);
      }
    }
  }
  return parts.join(' · ');
}

/**
 * Split text at its backticks: the non-empty pieces, and whether each is code.
 *
 * A backtick without its partner stays as it is.
 */
export function codePieces(text: string): [string, boolean][] {
  const parts = text.split('`');
  if (parts.length % 2 === 0) {
    const last = parts.pop();
    parts[parts.length - 1] += '`' + last;
  }
  return parts
    .map((part, index): [string, boolean] => [part, index % 2 === 1])
    .filter(([part]) => part !== '');
}
