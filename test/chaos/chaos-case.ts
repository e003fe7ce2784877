import type { OwnEngine } from '@capacloud/rig/engine/own-engine';
import type { LocalAgent, LocalCoordinator } from '@capacloud/rig/network/local-network';
import type { Program } from '@capacloud/rig/programs/programs';
import type { AuditReport } from './audit.ts';
import type { Findings } from './audit-log.ts';
import type { Dice } from './dice.ts';

/** One way to hurt the network. */
export interface ChaosCase {
  readonly name: string;
  readonly summary: string;
  /** It needs an engine that it may hurt; the others take whichever there is. */
  readonly hurtsEngine?: boolean;
  plan(place: CasePlace): Promise<CasePlan>;
}

/** What there is before anything runs. */
export interface CasePlace {
  /** Of this run of the case alone; goes with it. */
  readonly dir: string;
  readonly engine: OwnEngine | undefined;
  readonly dice: Dice;
  /** Done when the case is over, however it ended, after every process is gone; the last one first. */
  readonly onClose: (close: () => Promise<void>) => void;
}

/** What a fault may reach of the network that runs. */
export interface StruckRig {
  readonly coordinator: LocalCoordinator;
  readonly agents: readonly LocalAgent[];
  readonly leaseMs: number;
  /** Resolves when a program runs on the engine, or after a while without one. */
  untilWorking(): Promise<void>;
  /** Lets something last; rejects when the run is interrupted. */
  last(durationMs: number): Promise<void>;
  /** Another process with the key, the settings and the state that an agent has now. The agent must not run meanwhile. */
  copyAgent(index: number, name: string): Promise<LocalAgent>;
}

export interface CasePlan {
  /** Of the agents, in turn. */
  readonly scratch?: readonly ('memory' | 'loop')[];
  /** Also a stream of jobs that cost nothing but their submission. */
  readonly cheapJobs?: boolean;
  /** Leases of seconds, so that a case may outlast them. */
  readonly shortLease?: boolean;
  readonly engineFlags?: readonly string[];
  readonly coordinator?: {
    readonly env?: Readonly<Record<string, string>>;
    readonly listenAddress?: string;
  };
  agent?(index: number, coordinator: LocalCoordinator): Promise<AgentPlan>;
  /** Mount points below the folder of the case that are its own. */
  readonly mountPoints?: readonly string[];
  /** There may have been no room for what programs said, at the engine or at the coordinator. */
  readonly lossyLogs?: boolean;
  /** Events after which the next fault comes: a random number, this at most. */
  readonly maxEvents: number;
  /** One fault from beginning to end: when it resolves nothing is broken any more. Gives what it was, in a word or two. */
  strike(rig: StruckRig, count: number): Promise<string>;
  /** After the last job has ended, and before the audit. */
  calm?(): Promise<void>;
  /** What must hold besides what every case is audited for. */
  judge?(report: AuditReport, course: CaseCourse): Findings;
}

/** How it went. */
export interface CaseCourse {
  readonly strikes: number;
  readonly longestOutageMs: number;
}

export interface AgentPlan {
  readonly url?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly prefix?: readonly [Program, ...string[]];
}

/** An agent that is told apart from the others of a rig. */
export function agentOf(rig: StruckRig, index: number): LocalAgent {
  const agent = rig.agents[index % rig.agents.length];
  if (agent === undefined) throw new Error('the rig has no agents');
  return agent;
}

/** Of an engine that a case may hurt. */
export function engineOf(place: CasePlace): OwnEngine {
  if (place.engine === undefined) throw new Error('the case was given no engine of its own');
  return place.engine;
}

/** Else not one of several faults of the engine met a container, and nothing was tested. */
export function judgeEngineLost({ reasons }: AuditReport, { strikes }: CaseCourse): Findings {
  return strikes < 5 || reasons.has('engine_lost') ? [] : ['no attempt was lost to the engine'];
}

/** Well below the lease of a minute, and the time that an assignment may take. */
const bridgedMs = 30_000;

/**
 * Containers outlive their agent, and agents work on without a coordinator: not one attempt is lost, unless the machine
 * was so busy that what was killed took longer to come back than that is promised for.
 */
export function judgeNoLoss({ losses }: AuditReport, { longestOutageMs }: CaseCourse): Findings {
  return longestOutageMs > bridgedMs ? [] : [...losses];
}
