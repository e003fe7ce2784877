import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { Assignment, AttemptRef, HeartbeatFrame } from '@capacloud/protocol/wire/frames';

export type SessionState = 'idle' | 'connecting' | 'open' | 'waiting' | 'superseded' | 'closed';

/** What the owner's side tells the coordinator whenever it is asked. */
export interface NodeReport {
  readonly offer: Offer;
  readonly accepting: boolean;
}

/** What a session asks of the rest of the agent. Nothing here waits: a heartbeat may never stall. */
export interface SessionHost {
  node(): NodeReport;
  heldAttempts(): readonly AttemptRef[];
  load(): HeartbeatFrame['load'];
  pulls(): HeartbeatFrame['pulls'];
  /** The complete set of attempts that the coordinator wants. */
  onDesired(attempts: readonly AttemptRef[]): void;
  onAssign(assignments: readonly Assignment[]): void;
  onStop(attempts: readonly AttemptRef[]): void;
  /** Reports were acknowledged, a session opened or closed: look again. */
  onChange(): void;
}

/** Access to the coordinator's HTTP routes while a session is open. */
export interface CoordinatorAccess {
  /** http(s)://host:port */
  readonly baseUrl: string;
  /** The bearer token of the open session. */
  token(): string | undefined;
  /** Protocol version of the open session. */
  protocol(): number | undefined;
  /** Resolves when a session is open. */
  whenOpen(signal: AbortSignal): Promise<void>;
}

/** Why the coordinator gives this node no work, in its own words; `until` where the reason passes by itself. */
export interface NodePause {
  readonly message: string;
  readonly until?: string;
}

/** Where the session stands, for the owner. */
export interface SessionStatus {
  readonly state: SessionState;
  readonly coordinator?: string;
  readonly session?: number;
  readonly openSinceMs?: number;
  readonly lastRefusal?: { readonly code: string; readonly message: string; readonly hint: string };
  readonly lastError?: string;
}
