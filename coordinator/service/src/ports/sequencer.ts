import type { Command } from '@capacloud/core/contract/command';
import type { Event } from '@capacloud/core/contract/event';
import type { AccountId, JobId, NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import type { Refusal, Result } from '@capacloud/protocol/result';

/**
 * Private rows that are written in the same transaction as the events of a command: what must be durable
 * together with a public fact and may not appear in the log.
 */
export type Aside =
  /** The job spec as JSON; `specHash` in the log is SHA-256(salt ‖ canonical spec). */
  | {
      readonly kind: 'job_spec';
      readonly job: JobId;
      readonly spec: string;
      readonly salt: string;
      readonly name?: string;
      readonly image: string;
    }
  | {
      readonly kind: 'receipt';
      /** Index of the event that it came with: the end of its attempt, or its release where that had ended before. */
      readonly event: number;
      readonly isLate: boolean;
      readonly task: TaskId;
      readonly attempt: number;
      /** Canonical JSON. */
      readonly receipt: string;
      /** Where it stands among the receipts under its signature, and how many these are. */
      readonly position: number;
      readonly size: number;
      /** Sibling hashes up to the root that was signed, hex, one after another. */
      readonly path: string;
      readonly signature: string;
      /** Of the delegation, which was recorded before or is with it. */
      readonly delegation: string;
    }
  /** What the receipts of a session refer to. Recording one again changes nothing. */
  | {
      readonly kind: 'delegation';
      readonly digest: string;
      readonly delegation: string;
      readonly signature: string;
    }
  | {
      readonly kind: 'session';
      /** Its newest from now on. */
      readonly node: NodeId;
      readonly delegation: string;
      readonly signature: string;
    }
  | {
      readonly kind: 'api_key';
      readonly hash: Sha256Hex;
      readonly id: string;
      readonly account: AccountId;
      readonly scopes: string;
      readonly name: string;
      readonly createdAt: number;
      readonly expiresAt?: number;
    }
  | { readonly kind: 'api_key_revoked'; readonly id: string; readonly at: number }
  | {
      readonly kind: 'idempotency';
      readonly account: AccountId;
      readonly key: string;
      readonly requestHash: Sha256Hex;
      readonly status: number;
      readonly body: string;
      readonly at: number;
    };

export interface CommittedEvent {
  /** Index in the log, counted from 0. */
  readonly index: number;
  readonly event: Event;
}

export type Outcome =
  | { readonly ok: true; readonly events: readonly CommittedEvent[] }
  | { readonly ok: false; readonly refusal: Refusal };

export interface Submission {
  readonly command: Command;
  readonly asides: readonly Aside[];
}

/** What a command has led to, for private rows that go with it. */
export interface Aftermath {
  /** nano-CAPA that the account may spend. */
  balanceOf(account: AccountId): bigint;
}

/** Makes the private rows of a command when it is accepted. */
export type AsidesOf = (events: readonly CommittedEvent[], after: Aftermath) => readonly Aside[];

/** Takes commands. The single writer behind it decides at once, in order of calls, and speaks when all is durable. */
export interface Submitter {
  /** Resolves when the events (or, for a refusal, everything it was based on) are durable. */
  submit(command: Command, asides?: AsidesOf): Promise<Outcome>;
  /**
   * The same for commands that belong to one request: what they lead to and the asides of the whole are durable together or
   * not at all. A command that is refused hinders no other; refused as a whole while there is no room.
   */
  submitTogether(
    submissions: readonly Submission[],
    asides: (outcomes: readonly Outcome[]) => readonly Aside[],
  ): Promise<Result<readonly Outcome[]>>;
  /** Makes private rows durable that go with no event. */
  record(asides: readonly Aside[]): Promise<void>;
}

export interface Committed {
  /** Called once a group, after it is durable, before the outcomes of its commands resolve. */
  onCommitted(listener: (events: readonly CommittedEvent[]) => void): () => void;
  /** Resolves once everything decided so far is durable and told to the listeners; never when the append fails. */
  durable(): Promise<void>;
}

export interface Sequencer extends Submitter, Committed {
  /** Size of the log and hash of the state after exactly so many events; resolves once they are durable. */
  digest(): Promise<{ readonly size: number; readonly hash: Sha256Hex }>;
}
