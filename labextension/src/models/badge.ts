import type { StepStatus } from '../events';
import { STATE_WORDS } from '../picture';

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
  const state = STATE_WORDS[status.state];
  const detail = status.detail.replaceAll('`', '');
  return {
    step: status.step,
    state,
    detail: status.detail,
    tooltip: status.title,
    label: `Step ${status.step}: ${state}${detail ? `, ${detail}` : ''}`
  };
}
