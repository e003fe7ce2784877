import type { Event } from '@capacloud/core/contract/event';
import type { Refusal } from '@capacloud/protocol/result';
import type { Outcome } from '../ports/sequencer.ts';

export interface Refused {
  readonly ok: false;
  readonly refusal: Refusal;
}
export const overloaded: Refused = {
  ok: false,
  refusal: { code: 'service.overloaded', message: 'Too many commands wait for the disk.' },
};
export const draining: Refused = {
  ok: false,
  refusal: { code: 'service.draining', message: 'The coordinator no longer takes commands.' },
};

export const broken: Refused = {
  ok: false,
  refusal: { code: 'service.internal', message: 'The command broke the books and was dropped.' },
};

export function tooLarge(event: Event): Outcome {
  const message = `The event ${event.type} is larger than an entry of the log may be.`;
  return { ok: false, refusal: { code: 'request.too_large', message } };
}
