export type HoldState = 'held' | 'captured' | 'voided' | 'expired';

/** A hold is spent once: this table is what makes a second pay for a task impossible. */
export const holdTransitions: Readonly<Record<HoldState, readonly HoldState[]>> = {
  held: ['captured', 'voided', 'expired'],
  captured: [],
  voided: [],
  expired: [],
};

export function canSpend(from: HoldState, to: HoldState): boolean {
  return holdTransitions[from].includes(to);
}
