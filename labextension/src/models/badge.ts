import type { StepStatus } from '../events';
import { INTERRUPTED } from '../picture';
import { stateWord } from './states';

/** What a badge shows and what a screen reader says of it. */
export interface BadgeText {
  step: string;
  state: string;
  detail: string;
  tooltip: string;
  label: string;
}

/** Put a badge's words together. */
export function badgeText(status: StepStatus): BadgeText {
  const state = stateWord(status.state, status.detail);
  const stopped = state === INTERRUPTED;
  const detail = stopped ? '' : status.detail.replaceAll('`', '');
  return {
    step: status.step,
    state,
    detail: stopped ? '' : status.detail,
    tooltip: status.title,
    label: `Step ${status.step}: ${state}${detail ? `, ${detail}` : ''}`
  };
}
