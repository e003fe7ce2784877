import type { NodeId } from '@capacloud/protocol/ids';
import { NodeWhySchema } from '@capacloud/protocol/routes/node-why';
import { Compile } from 'typebox/compile';
import type { NodePause } from '../core/session-port.ts';

const validator = Compile(NodeWhySchema);
const deadlineMs = 2000;
/** A health check asks for the status again and again; the coordinator need not answer each time. */
const keepMs = 20_000;
/** The answer has a few hundred bytes. */
const maxBytes = 64 * 1024;

type Ask = (path: string, signal: AbortSignal) => Promise<Response>;

/**
 * Asks the public route, which costs the coordinator little: its owner's view would look through all that waits. Undefined
 * where it gives work, and where it cannot be asked.
 */
export class NodePauseWatch {
  readonly #path: string;
  readonly #ask: Ask;
  #asked: { readonly atMs: number; readonly pause: Promise<NodePause | undefined> } | undefined;

  constructor(node: NodeId, ask: Ask) {
    this.#path = `/v1/nodes/${node}/why`;
    this.#ask = ask;
  }

  read(nowMs: number): Promise<NodePause | undefined> {
    if (this.#asked === undefined || nowMs - this.#asked.atMs > keepMs)
      this.#asked = { atMs: nowMs, pause: this.#read().catch(() => undefined) };
    return this.#asked.pause;
  }

  async #read(): Promise<NodePause | undefined> {
    const response = await this.#ask(this.#path, AbortSignal.timeout(deadlineMs));
    let text = '';
    const decoder = new TextDecoder();
    for await (const part of response.body ?? []) {
      text += decoder.decode(part, { stream: true });
      if (text.length > maxBytes) return undefined;
    }
    const value: unknown = response.ok ? JSON.parse(text) : undefined;
    if (!validator.Check(value) || value.takes_work) return undefined;
    const { message, backing_off_until: until } = value;
    return until === undefined ? { message } : { message, until };
  }
}
