import type { Sha256Hex } from '@capacloud/protocol/ids';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import { invariant } from './assert.ts';
import type { JsonRecord } from './codec/kinds.ts';
import { restoreAccounts } from './slices/account/codec.ts';
import { restoreJobs } from './slices/job/codec.ts';
import { restoreNodes } from './slices/node/codec.ts';
import type { State } from './state.ts';
import { createState } from './state.ts';
import { StateCapture, stateCodec } from './state-capture.ts';

/** Short pieces: a text that is put together from millions of parts takes twice as long. */
const recordsPerPiece = 128;
const piecesPerBlock = 8;

/**
 * The canonical text of everything that the log means: equal logs give equal texts. Lists stand in the order of
 * the log (joined, opened, submitted), because decisions follow it.
 */
export function encodeState(state: State): string {
  const blocks: string[] = [];
  let block: string[] = [];
  for (const piece of new StateCapture(state).pieces(recordsPerPiece)) {
    block.push(piece);
    if (block.length < piecesPerBlock) continue;
    blocks.push(block.join(''));
    block = [];
  }
  return blocks.join('') + block.join('');
}

export function stateHash(state: State): Sha256Hex {
  return sha256Hex(encodeState(state));
}

/** Of a text that encodeState wrote; throws for any other. */
export function decodeState(text: string): State {
  return restoreState(JSON.parse(text) as JsonRecord);
}

/**
 * Of the lines of a text that was captured with `recordPerLine`, or of one line as older releases wrote it; throws for any
 * other. As no line holds more than one record, the whole text may be longer than the longest string of the engine.
 */
export function decodeStateLines(lines: Iterable<string>): State {
  return restoreState(parseLines(lines));
}

/** Lines that hold no record open the first list, close one and open the next, or close the last. */
function parseLines(lines: Iterable<string>): JsonRecord {
  const snapshot: Record<string, unknown> = {};
  let list: unknown[] | undefined;
  let isComplete = false;
  for (const line of lines) {
    if (line === '') continue;
    invariant(!isComplete, 'a snapshot goes on after its end');
    if (list === undefined) {
      if (!line.endsWith('[')) return JSON.parse(line) as JsonRecord;
      list = openList(snapshot, line.slice(1));
    } else if (!line.startsWith('],')) {
      list.push(JSON.parse(line.endsWith(',') ? line.slice(0, -1) : line));
    } else if (line.endsWith('[')) {
      list = openList(snapshot, line.slice(2));
    } else {
      Object.assign(snapshot, JSON.parse(`{${line.slice(2)}`));
      isComplete = true;
    }
  }
  invariant(isComplete, 'a snapshot without its last line');
  return snapshot;
}

/** The members up to the beginning of a list, which is the last of them. */
function openList(snapshot: Record<string, unknown>, members: string): unknown[] {
  const read = JSON.parse(`{${members}]}`) as JsonRecord;
  Object.assign(snapshot, read);
  return Object.values(read).at(-1) as unknown[];
}

function restoreState(snapshot: JsonRecord): State {
  invariant(snapshot.version === 1, 'a snapshot of another version');
  const state = Object.assign(createState(), stateCodec.read(snapshot));
  const records = (key: string) => snapshot[key] as readonly JsonRecord[];
  restoreAccounts(state, records('accounts'));
  restoreJobs(state, records('jobs'));
  restoreNodes(state, records('nodes'));
  return state;
}
