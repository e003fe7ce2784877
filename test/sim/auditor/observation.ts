/**
 * What the simulator shows the auditor, in the order in which it is true. A frame is an object or its JSON text.
 * `atMs` is true time, which no clock of the simulated machines shows.
 */
export type Observation =
  /** A group was made durable: the canonical JSON text of each entry. Told before anything that rests on it is said. */
  | {
      readonly kind: 'committed';
      readonly coordinator: number;
      readonly first: number;
      readonly lines: readonly string[];
    }
  /** What the log reads back from `first` on, as after a restart: it must be what was made durable. */
  | {
      readonly kind: 'log';
      readonly coordinator: number;
      readonly first: number;
      readonly lines: readonly string[];
    }
  /** The coordinator has ended, by a crash or by itself. */
  | { readonly kind: 'stopped'; readonly coordinator: number }
  /** It runs again, with a state replayed from `size` entries. */
  | {
      readonly kind: 'restarted';
      readonly coordinator: number;
      readonly size: number;
      readonly stateHash: string;
      readonly tables?: TableDump;
    }
  /** State hash of the live coordinator at a size: a replay of as many entries must give the same. */
  | { readonly kind: 'digest'; readonly size: number; readonly stateHash: string }
  | { readonly kind: 'tables'; readonly tables: TableDump }
  /** Until when the coordinator lets each node pause (0: it need not), while all that it decided is durable. */
  | { readonly kind: 'pauses'; readonly pauses: ReadonlyMap<string, number> }
  /** The coordinator's disk takes that long for a write, and nothing can be committed meanwhile. True time. */
  | { readonly kind: 'stalled'; readonly fromMs: number; readonly untilMs: number }
  /** A frame left the coordinator. `session` names the connection, uniquely over the whole run. */
  | {
      readonly kind: 'said';
      readonly to: 'agent';
      readonly node: string;
      readonly session: string;
      readonly frame: unknown;
    }
  /** A frame reached the coordinator. `genuine` is false where something in it was forged that must not be believed. */
  | {
      readonly kind: 'heard';
      readonly node: string;
      readonly session: string;
      readonly frame: unknown;
      readonly genuine?: boolean;
    }
  /** A client got an answer. */
  | { readonly kind: 'said'; readonly to: 'client'; readonly frame: ClientWord }
  /** The artifact store has all bytes of a file that a node sent for this attempt. */
  | {
      readonly kind: 'uploaded';
      readonly task: string;
      readonly attempt: number;
      readonly sha256: string;
      readonly sizeBytes: number;
    }
  /** A container of the simulated Docker really began or ended. `instance` tells machines with one key apart. */
  | {
      readonly kind: 'container';
      readonly node: string;
      readonly instance: number;
      readonly task: string;
      readonly attempt: number;
      readonly change: 'started' | 'ended';
      readonly devices: readonly string[];
      readonly atMs: number;
    }
  /** Until when this instance believes that it may run the attempt (or, with task '', all of them), in true time. */
  | {
      readonly kind: 'lease';
      readonly node: string;
      readonly instance: number;
      readonly task: string;
      readonly attempt: number;
      readonly untilMs: number;
    }
  /** Whether the instance can act on its containers: its agent runs, is not frozen, and its Docker answers. True at first. */
  /** `reborn`: it can act from now on because its agent begins a new life, and so has done nothing before it looked. */
  | {
      readonly kind: 'hands';
      readonly node: string;
      readonly instance: number;
      readonly free: boolean;
      readonly reborn?: true;
    }
  /** From now on this node may say what is not so: it lies, has a twin, or its memory is of an earlier time. */
  | { readonly kind: 'distrust'; readonly node: string }
  /** How the program of an attempt really ended. */
  | {
      readonly kind: 'ran';
      readonly task: string;
      readonly attempt: number;
      readonly node: string;
      readonly succeeded: boolean;
    }
  /** An agent noted an error in its own log. */
  | { readonly kind: 'complaint'; readonly node: string; readonly instance: number }
  /** Whether the artifact store lacks room, or a disk that can be written. It has both at first. */
  | { readonly kind: 'store'; readonly isShort: boolean }
  | { readonly kind: 'healed'; readonly atMs: number }
  /** Before each event of the simulation. */
  | { readonly kind: 'time'; readonly atMs: number };

/** What a client was told, over REST or by the sequencer. */
export type ClientWord =
  /** The answer to a submission; a retry with the same key must get the same job. */
  | { readonly type: 'submitted'; readonly account: string; readonly key: string; readonly job: string }
  | { readonly type: 'cancelled'; readonly job: string }
  /** A reading of a task. `state` may be any that the task had, but an end is for ever. */
  | { readonly type: 'task'; readonly task: string; readonly state: string }
  /** Any other answer that rests on the entry `index`. */
  | { readonly type: 'outcome'; readonly index: number };

export interface TableDump {
  /** `balanceNano` is what is available; `heldNano` what is on hold for the account's jobs. House accounts may be left out. */
  readonly accounts: readonly {
    readonly account: string;
    readonly balanceNano: bigint;
    readonly heldNano: bigint;
  }[];
  readonly tasks: readonly { readonly task: string; readonly state: string }[];
  readonly pays: readonly { readonly task: string }[];
}

/** Bounds that follow from how the world is simulated, not from the product. */
export interface AuditTerms {
  /** A container may outlive its lease or its run clock by this much while its agent can act on it. */
  readonly overrunMs: number;
  /** As much where nothing is known to hinder its agent. */
  readonly promptMs: number;
  /** A due end may take the running coordinator this much longer: a tick, the disk, a clock that was set back. */
  readonly slackMs: number;
  /** Clients repeat a submission until it is answered, so every job of the log has been told to somebody in the end. */
  readonly clientsPersist: boolean;
}

export type Rule =
  | 'log.gap'
  | 'log.rewritten'
  | 'log.lost'
  | 'log.replay'
  | 'log.order'
  | 'log.shape'
  | 'money.overdrawn'
  | 'money.holds'
  | 'money.grant'
  | 'money.paid-twice'
  | 'money.paid-unearned'
  | 'money.price'
  | 'node.state'
  | 'node.occupied'
  | 'node.lost-early'
  | 'node.lost-late'
  | 'node.pause'
  | 'node.forgotten'
  | 'node.kept'
  | 'log.isolated'
  | 'image.stopped'
  | 'capacity.room'
  | 'capacity.device'
  | 'capacity.terms'
  | 'task.state'
  | 'task.number'
  | 'task.retry'
  | 'task.gang'
  | 'task.preempted'
  | 'task.clock'
  | 'task.limbo'
  | 'task.forgotten'
  | 'job.state'
  | 'job.unclaimed'
  | 'job.key'
  | 'receipt.source'
  | 'receipt.untrue'
  | 'said.assignment'
  | 'said.checkpoint'
  | 'said.welcome'
  | 'said.stop'
  | 'said.no-stop'
  | 'said.acknowledgement'
  | 'said.client'
  | 'upload.held'
  | 'run.unassigned'
  | 'run.twice'
  | 'run.again'
  | 'run.device'
  | 'run.spins'
  | 'run.room'
  | 'run.lease'
  | 'run.unwanted'
  | 'lease.too-long'
  | 'run.clock'
  | 'tables.accounts'
  | 'tables.tasks'
  | 'tables.pays'
  | 'settled.tasks'
  | 'settled.holds'
  | 'settled.containers';

/** The world broke a rule. */
export class AuditFailure extends Error {
  readonly rule: Rule;

  constructor(rule: Rule, detail: string) {
    super(`${rule}: ${detail}`);
    this.name = 'AuditFailure';
    this.rule = rule;
  }
}

export function fail(rule: Rule, detail: string): never {
  throw new AuditFailure(rule, detail);
}

export function check(holds: boolean, rule: Rule, detail: () => string): void {
  if (!holds) fail(rule, detail());
}
