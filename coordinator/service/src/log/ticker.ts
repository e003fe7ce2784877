import type { Contact } from '@capacloud/core/contract/command';
import type { NodeId } from '@capacloud/protocol/ids';
import type { Sequencer } from '../ports/sequencer.ts';

export interface TickerParts {
  readonly sequencer: Sequencer;
  readonly heard: () => ReadonlyMap<NodeId, Contact>;
  readonly now: () => number;
  readonly everyMs: number;
}

/** Lets time pass for the state machine. A tick that is still on its way to the disk is not overtaken by another. */
export function startTicker({ sequencer, heard, now, everyMs }: TickerParts): () => void {
  const listeningSince = now();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    void sequencer.submit({ type: 'tick', at: now(), heard: heard(), listeningSince }).then(() => {
      busy = false;
    });
  }, everyMs);
  return () => {
    clearInterval(timer);
  };
}
