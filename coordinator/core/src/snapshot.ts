import { sha256Hex } from '@capacloud/protocol/hash';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { createState, type State } from './state.ts';

export function encodeState(_state: State): string {
  return '';
}
export function decodeState(_text: string): State {
  return createState();
}
export function stateHash(state: State): Sha256Hex {
  return sha256Hex(encodeState(state));
}
