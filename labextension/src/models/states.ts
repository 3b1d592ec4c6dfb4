import type { StepState } from '../events';
import { BY_URGENCY, STATE_WORDS } from '../picture';

/** Whether a value is one of the five states. */
export function isState(value: unknown): value is StepState {
  return typeof value === 'string' && Object.hasOwn(STATE_WORDS, value);
}

/** The detail of a failed step that was stopped: all that is said of it, as in `flownb/picture/summary.py`. */
export const INTERRUPTED = 'interrupted';

/** Say how many steps are in which state, such as "4 steps · 1 failed · 3 fresh". */
export function summary(states: Iterable<StepState>): string {
  const counts = new Map<StepState, number>();
  let steps = 0;
  for (const state of states) {
    counts.set(state, (counts.get(state) ?? 0) + 1);
    steps += 1;
  }
  return [
    `${steps} ${steps === 1 ? 'step' : 'steps'}`,
    ...BY_URGENCY.filter(state => counts.has(state)).map(
      state => `${counts.get(state)} ${STATE_WORDS[state]}`
    )
  ].join(' · ');
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
