import type { AttemptEnded, Ruleset } from './entry.ts';
import { check } from './observation.ts';
import { blameless, faultOf } from './retry-rules.ts';
import type { TaskFacts } from './task-facts.ts';

/** One failure of a node, and what ran. */
interface Slip {
  readonly image: string;
  readonly at: number;
}

interface Name {
  /** Since the last success. */
  slips: Slip[];
  /** Those before it: what was under way at any of them belongs to it. */
  older: Slip[];
}

/** So many nodes that an image failed on, one after the other, and it is the image. */
const enoughNodes = 3;

/** Which nodes have to pause because what they were given failed by their own fault, again and again. */
export class BlameBook {
  readonly #names = new Map<string, Name>();
  /** By image, the nodes that it failed on since it did well somewhere. */
  readonly #failing = new Map<string, Set<string>>();

  /** The job has left: where no image is named, the job was its own. */
  forget(image: string): void {
    this.#failing.delete(image);
  }

  /** The node is as new. */
  forgetNode(id: string): void {
    this.#names.delete(id);
  }

  ended(event: AttemptEnded, task: TaskFacts, nodeId: string, image: string, isStopped: boolean): void {
    const name = this.#name(nodeId);
    if (event.then.kind === 'succeeded') {
      this.#failing.delete(image);
      name.older = [...name.older, ...name.slips];
      name.slips = [];
      return;
    }
    if (faultOf(event.reason) !== 'provider' || blameless.includes(event.reason) || isStopped) return;
    if (this.#isImage(image, nodeId)) return;
    const last = name.slips.at(-1) ?? name.older.at(-1);
    if (last === undefined || task.assignedAt > last.at) name.slips.push({ image, at: event.at });
  }

  /** It is the image; then nothing that it did counts. */
  #isImage(image: string, nodeId: string): boolean {
    const nodes = this.#failing.get(image) ?? new Set();
    const before = nodes.size;
    if (before < enoughNodes) nodes.add(nodeId);
    this.#failing.set(image, nodes);
    if (nodes.size < enoughNodes) return false;
    if (before < enoughNodes) for (const id of nodes) this.#clear(this.#name(id), image);
    return true;
  }

  /** The image was stopped: no node is blamed for it. */
  clear(image: string): void {
    for (const name of this.#names.values()) this.#clear(name, image);
  }

  #clear(name: Name, image: string): void {
    name.slips = name.slips.filter((slip) => slip.image !== image);
    name.older = name.older.filter((slip) => slip.image !== image);
  }

  /** Until when the node is to get nothing new; 0 where it need not wait. */
  pauseEnd(nodeId: string, rules: Ruleset): number {
    const { slips } = this.#name(nodeId);
    const { nodeBackoffAfter, nodeBackoffFactor = 1, nodeBackoffInitialMs = 0, nodeBackoffMaxMs = 0 } = rules;
    if (nodeBackoffAfter === undefined || slips.length < nodeBackoffAfter) return 0;
    let pauseMs = nodeBackoffInitialMs;
    for (let more = slips.length - nodeBackoffAfter; more > 0; more--) pauseMs *= nodeBackoffFactor;
    return (slips.at(-1)?.at ?? 0) + Math.min(pauseMs, nodeBackoffMaxMs);
  }

  checkAssigned(what: string, nodeId: string, at: number, rules: Ruleset): void {
    const end = this.pauseEnd(nodeId, rules);
    check(at >= end, 'node.pause', () => `${what} goes to ${nodeId}, which pauses for ${end - at} ms more`);
  }

  /** What the coordinator believes, against what the log says. */
  compare(pauses: ReadonlyMap<string, number>, rules: Ruleset): void {
    for (const [node, until] of pauses) {
      const end = this.pauseEnd(node, rules);
      check(until === end, 'node.pause', () => `${node} is to pause until ${until}, by the log until ${end}`);
    }
  }

  #name(node: string): Name {
    const name = this.#names.get(node) ?? { slips: [], older: [] };
    this.#names.set(node, name);
    return name;
  }
}
