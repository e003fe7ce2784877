import { RecordCodec } from './codec/record-codec.ts';
import type { Section } from './codec/section.ts';
import type { Event } from './contract/event.ts';
import { AccountSection, accountFields } from './slices/account/codec.ts';
import { isolationFields } from './slices/isolation/codec.ts';
import { jobFields } from './slices/job/codec.ts';
import { JobSection } from './slices/job/section.ts';
import { logFields } from './slices/log/codec.ts';
import { NodeSection } from './slices/node/codec.ts';
import type { State, StateTruth } from './state.ts';

/** The truth of the state but for its lists. */
export const stateCodec = new RecordCodec<StateTruth>({
  ...logFields,
  ...accountFields,
  ...isolationFields,
  ...jobFields,
});

/** In the order of their keys. */
function sectionsOf(state: State): readonly Section[] {
  return [new AccountSection(state), new JobSection(state), new NodeSection(state)];
}

/**
 * The state as it is now, to be written piece by piece while the live one moves on. As long as it is open, `apply`
 * shows it each event first, and what the event is about to change and was not written yet is copied. That costs
 * what changes, not what there is; the lists of live jobs and of nodes are all that is taken at once.
 */
export class StateCapture {
  readonly #state: State;
  readonly #rest: StateTruth;
  readonly #sections: readonly Section[];

  constructor(state: State) {
    this.#state = state;
    this.#rest = stateCodec.copy(state);
    this.#sections = sectionsOf(state);
    state.captures.add(this);
  }

  /**
   * The canonical text, in order, in pieces of at most so many tasks, accounts or nodes (some microseconds each). The
   * capture is closed when they end or are left. With `recordPerLine`, a line break stands before and after each account, job
   * and node: the same JSON, which `decodeStateLines` reads without ever holding all of it as one string.
   */
  *pieces(itemsPerPiece: number, recordPerLine = false): Generator<string, void, undefined> {
    const lineBreak = recordPerLine ? '\n' : '';
    const layout = { itemsPerPiece, comma: `,${lineBreak}` };
    let text = '{';
    let before: string | undefined;
    try {
      for (const section of this.#sections) {
        const members = stateCodec.between(this.#rest, before, section.key);
        yield `${text}${members}${members === '' ? '' : ','}"${section.key}":[${lineBreak}`;
        yield* section.pieces(layout);
        text = `${lineBreak}],`;
        before = section.key;
      }
      yield `${text}${stateCodec.between(this.#rest, before, undefined)}}`;
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#state.captures.delete(this);
  }

  /** `apply` is about to change the state by this event. */
  keep(event: Event): void {
    for (const section of this.#sections) section.keep(event);
  }
}
