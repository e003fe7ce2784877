import { type Fields, pairs } from '../../codec/kinds.ts';
import type { State } from '../../state.ts';

export const isolationFields: Fields<Pick<State, 'isolated'>> = { isolated: pairs() };
