import type { NodeJoined } from '@capacloud/core/contract/event';
import type { ReadOnly } from '@capacloud/core/read-only';
import type { NodeRecord } from '@capacloud/core/slices/node/record';
import type { NodeId } from '@capacloud/protocol/ids';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import type { Aside } from '../ports/sequencer.ts';
import { nodeStatusCodes } from './codes.ts';
import type { RowBuffers } from './row-buffer.ts';

export type SessionAside = Extract<Aside, { readonly kind: 'session' }>;

/** What the tables hold of a node; the number is its key in every other table. */
export interface NodeEntry {
  readonly num: number;
  readonly id: NodeId;
  readonly joinedAt: number;
  /** It was given an attempt, so other tables refer to its row. */
  isUsed: boolean;
}

/**
 * Nodes and their sessions as the tables show them. The row of a node that is forgotten goes with it; where attempts refer to
 * it, its id alone stays.
 */
export class NodeHistory {
  readonly #buffers: RowBuffers;
  readonly #entries = new Map<NodeId, NodeEntry>();
  readonly #changed = new Set<ReadOnly<NodeRecord>>();
  readonly #sessions = new Map<NodeId, SessionAside>();

  constructor(entries: readonly NodeEntry[], buffers: RowBuffers) {
    for (const entry of entries) this.#entries.set(entry.id, { ...entry });
    this.#buffers = buffers;
  }

  /** Its number is the index of the event, which no other node has, whatever was deleted before. */
  join({ at, node: id }: NodeJoined, index: number): void {
    const known = this.#entries.get(id);
    this.#entries.set(id, { num: known?.num ?? index, id, joinedAt: at, isUsed: known?.isUsed ?? false });
  }

  touch(node: ReadOnly<NodeRecord>): void {
    this.#changed.add(node);
  }

  use(node: ReadOnly<NodeRecord>): void {
    const entry = this.#entryOf(node.id);
    if (entry.isUsed) return;
    entry.isUsed = true;
    this.#changed.add(node);
  }

  forget(node: ReadOnly<NodeRecord>): void {
    const { id } = node;
    const { isUsed, joinedAt, num } = this.#entryOf(id);
    this.#changed.delete(node);
    this.#sessions.delete(id);
    this.#buffers.sessionRemovals.add([], [], [id]);
    if (isUsed) {
      this.#buffers.nodes.add(
        [num, nodeStatusCodes.codeOf(node.status), 0, joinedAt, 1, 0],
        [],
        [id, node.provider, node.cause, null],
      );
    } else {
      this.#buffers.nodeRemovals.add([num]);
      this.#entries.delete(id);
    }
  }

  noteSession(session: SessionAside): void {
    this.#sessions.set(session.node, session);
  }

  numOf(id: NodeId): number {
    return this.#entryOf(id).num;
  }

  write(): void {
    const { nodes, sessions } = this.#buffers;
    for (const node of this.#changed) {
      const { num, joinedAt, isUsed } = this.#entryOf(node.id);
      nodes.add(
        [num, nodeStatusCodes.codeOf(node.status), node.accepting ? 1 : 0, joinedAt, isUsed ? 1 : 0, 1],
        [],
        [node.id, node.provider, node.cause, canonicalJson(node.offer)],
      );
    }
    for (const { node, delegation, signature } of this.#sessions.values())
      sessions.add([], [], [node, delegation, signature]);
    this.#changed.clear();
    this.#sessions.clear();
  }

  #entryOf(id: NodeId): NodeEntry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new Error(`the projection has no node ${id}`);
    return entry;
  }
}
