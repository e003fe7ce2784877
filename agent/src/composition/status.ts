import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { Executor } from '../attempt/executor.ts';
import type { ScheduledAsk } from '../core/ask-schedule.ts';
import type { Clock } from '../core/clock.ts';
import type { Journal } from '../core/journal-port.ts';
import type { Lease } from '../core/lease.ts';
import type { ScratchUse } from '../core/scratch-use.ts';
import type { Machine } from '../hardware/machine.ts';
import type { AgentConfig } from '../host/config.ts';
import type { SelfCheck } from '../host/self-check.ts';
import type { AgentStatus } from '../host/status-text.ts';
import type { NodeIdentity } from '../session/identity.ts';
import type { NodePauseWatch } from '../session/node-pause.ts';
import type { SessionClient } from '../session/session-client.ts';
import type { ScratchKind } from './scratch-choice.ts';

/** As the coordinator is told. */
function sold(kind: ScratchKind, { ask, diskBytes, memoryBytes }: Offer, isClosed: boolean) {
  const scratch: ScratchUse = { kind, offeredBytes: diskBytes, programBytes: memoryBytes };
  return isClosed ? { scratch } : { scratch, ask };
}

export interface StatusParts {
  readonly version: string;
  readonly scratch: ScratchKind;
  readonly offer: () => Offer;
  readonly pauses: NodePauseWatch;
  readonly config: AgentConfig;
  readonly identity: NodeIdentity;
  readonly session: SessionClient;
  readonly executor: Executor;
  readonly machine: Machine;
  readonly journal: Journal;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly ask: ScheduledAsk;
  readonly selfCheck: SelfCheck;
}

/** What the agent answers when it is asked how it is. */
export async function statusOf(parts: StatusParts): Promise<AgentStatus> {
  const isClosed = parts.ask.at(parts.clock.nowMs()) === undefined;
  // Only a session tells that there is a coordinator to ask.
  const hasSession = parts.session.token() !== undefined;
  const pause = hasSession ? await parts.pauses.read(performance.now()) : undefined;
  return {
    ...ownStatus(parts),
    ...sold(parts.scratch, parts.offer(), isClosed),
    ...(pause === undefined ? {} : { coordinatorPause: pause }),
  };
}

function ownStatus(parts: StatusParts): AgentStatus {
  const { identity, session, executor, machine, journal, lease, clock, ask, selfCheck } = parts;
  const { interruptibleDiscountPercent } = parts.config;
  return {
    node: identity.node,
    version: parts.version,
    session: session.status(),
    ...(lease.untilMs === undefined ? {} : { leaseLeftMs: Math.round(lease.untilMs - clock.bootMs()) }),
    accepting: executor.node().accepting,
    ask: ask.at(clock.nowMs()) ?? 'closed',
    ...(interruptibleDiscountPercent === undefined ? {} : { interruptibleDiscountPercent }),
    engineReachable: executor.engineReachable,
    checks: selfCheck.findings?.filter(({ ok, isWarning }) => !ok || isWarning === true) ?? 'pending',
    outboxItems: journal.outboxSize(),
    attempts: executor.attempts().map(({ heldSinceMs, key, phase, stop }) => ({
      ...key,
      phase,
      ...(stop === undefined ? {} : { stop }),
      ...(phase === 'uploading' && heldSinceMs !== undefined ? { heldSinceMs } : {}),
    })),
    devices: machine.devices(),
    leftOut: machine.leftOut(),
    probes: machine.probes(),
  };
}
