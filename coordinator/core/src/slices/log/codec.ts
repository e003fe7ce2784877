import { type Fields, plain } from '../../codec/kinds.ts';
import type { State } from '../../state.ts';

export const logFields: Fields<Pick<State, 'origin' | 'ruleset' | 'version'>> = {
  origin: plain(),
  ruleset: plain(),
  version: plain(),
};
