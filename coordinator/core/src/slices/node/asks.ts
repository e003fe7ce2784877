import type { JobTerms } from '../../contract/command.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import { discounted, nanoByDimension, parseAsk, pricesText, rateNano } from './price.ts';
import type { NodeRecord } from './record.ts';

/** The node is of the class of what it asks. */
export function joinAskClass(state: State, node: NodeRecord): void {
  const { ask, interruptibleDiscountPercent: discountPercent } = node.offer;
  const key = `${pricesText(ask)} ${discountPercent ?? ''}`;
  const old = node.askClass;
  if (old?.key === key) return;
  leaveAskClass(state, node);
  let askClass = state.askClasses.get(key);
  if (askClass === undefined) {
    const deviceNano = Number(ask.deviceHourNano);
    const dimensionNano = nanoByDimension(ask);
    askClass = { key, ...parseAsk(ask), dimensionNano, deviceNano, discountPercent, members: 0 };
    state.askClasses.set(key, askClass);
  }
  askClass.members += 1;
  node.askClass = askClass;
}

export function leaveAskClass(state: State, node: NodeRecord): void {
  const { askClass } = node;
  if (askClass === undefined) return;
  askClass.members -= 1;
  if (askClass.members === 0) state.askClasses.delete(askClass.key);
  node.askClass = undefined;
}

/** nano-CAPA an hour that the node asks for a task of the job, by the first alternative of the terms. */
export function rateOn({ askClass, offer }: ReadOnly<NodeRecord>, terms: JobTerms): bigint {
  const rate = rateNano(askClass ?? parseAsk(offer.ask), terms.resources);
  // guard: charge interruptible work less
  return isSoldInterruptible({ offer }, terms)
    ? discounted(rate, offer.interruptibleDiscountPercent ?? 0)
    : rate;
}

/** Whether a task of the job costs less there and may be stopped for others. */
export function isSoldInterruptible(
  { offer }: Pick<ReadOnly<NodeRecord>, 'offer'>,
  terms: JobTerms,
): boolean {
  return terms.interruptible === true && offer.interruptibleDiscountPercent !== undefined;
}
