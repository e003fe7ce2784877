import type { Ask } from '@capacloud/protocol/capacity/resources';
import { formatNano } from '@capacloud/protocol/units';
import type { ScratchUse } from '../core/scratch-use.ts';
import type { NodePause, SessionStatus } from '../core/session-port.ts';
import type { Finding } from './checks/finding.ts';
import { scratchText } from './scratch-text.ts';

/** The answer of the running agent. */
export interface AgentStatus {
  readonly node: string;
  readonly version: string;
  readonly session: SessionStatus;
  /** Milliseconds until the lease lapses; absent when the node has none. */
  readonly leaseLeftMs?: number;
  readonly accepting: boolean;
  /** What is asked now; closed by the owner's schedule. */
  readonly ask: Ask | 'closed';
  /** What interruptible tasks pay less; absent where they are none but tasks like others. */
  readonly interruptibleDiscountPercent?: number;
  readonly engineReachable: boolean;
  /** The doctor's checks that are red or warn; `pending` until they were made once. Absent in the answer of an older agent. */
  readonly checks?: readonly Finding[] | 'pending';
  /** Why the coordinator gives this node no work; absent where it does, and where it cannot be asked. */
  readonly coordinatorPause?: NodePause;
  /** Absent in the answer of an older agent. */
  readonly scratch?: ScratchUse;
  readonly outboxItems: number;
  readonly attempts: readonly {
    readonly task: string;
    readonly attempt: number;
    readonly phase: string;
    readonly stop?: string;
    /** Since when the coordinator has no room for its outputs; Unix milliseconds. */
    readonly heldSinceMs?: number;
  }[];
  readonly devices: readonly {
    readonly id: string;
    readonly model: string;
    readonly health: string;
    readonly reason?: string;
    /** Its NVLink; absent where nothing is wrong with it. */
    readonly fabric?: 'degraded';
  }[];
  /** GPUs and slices that are not offered. */
  readonly leftOut: readonly { readonly what: string; readonly why: string }[];
  readonly probes: Readonly<Record<string, unknown>>;
}

function askText(ask: AgentStatus['ask']): string {
  if (ask === 'closed') return 'nothing: closed by the schedule';
  const capa = (nano: string) => formatNano(BigInt(nano));
  return `${capa(ask.deviceHourNano)} CAPA a GPU, ${capa(ask.cpuHourNano)} a processor, ${capa(ask.memoryGibHourNano)} a GiB, an hour`;
}

/** Why no new work comes, or may not come for long. */
function pauseLines({ accepting, checks = [], coordinatorPause }: AgentStatus): readonly string[] {
  if (checks === 'pending') return ['           the checks of the doctor are under way'];
  const found = checks.flatMap(({ ok, id, is, mend }) => [
    `           ${ok ? 'warning' : 'red'}: ${id}: ${is}`,
    `             to mend it: ${mend}`,
  ]);
  // What the node itself says no to, the coordinator only repeats.
  if (coordinatorPause === undefined || !accepting) return found;
  const { message, until } = coordinatorPause;
  return [
    ...found,
    `           coordinator: ${until === undefined ? '' : `paused until ${until}: `}${message}`,
  ];
}

/** Its container is gone; nobody blames the node for the wait. */
function heldText(sinceMs: number | undefined): string {
  if (sinceMs === undefined) return '';
  return `: the coordinator has no room for its outputs since ${new Date(sinceMs).toISOString()}; they are kept here`;
}

/** The status as a person reads it. */
export function statusText(status: AgentStatus): string {
  const { session } = status;
  const refusal = session.lastRefusal;
  const trouble =
    refusal === undefined ? session.lastError : `${refusal.code}: ${refusal.message} ${refusal.hint}`;
  const lines = [
    `node       ${status.node} (agent ${status.version})`,
    `session    ${session.state}${session.coordinator === undefined ? '' : ` with ${session.coordinator}`}`,
    ...(trouble === undefined ? [] : [`           ${trouble}`]),
    `lease      ${status.leaseLeftMs === undefined ? 'none' : `${Math.round(status.leaseLeftMs / 1000)} s left`}`,
    `engine     ${status.engineReachable ? 'reachable' : 'cannot be reached'}`,
    ...(status.scratch === undefined ? [] : [`scratch    ${scratchText(status.scratch)}`]),
    `new work   ${status.accepting ? 'accepted' : 'not accepted'}`,
    ...pauseLines(status),
    `asks       ${askText(status.ask)}`,
    ...(status.interruptibleDiscountPercent === undefined
      ? []
      : [`           ${status.interruptibleDiscountPercent} % less of interruptible tasks`]),
    `outbox     ${status.outboxItems} reports`,
    `attempts   ${status.attempts.length}`,
    ...status.attempts.map(
      ({ task, attempt, heldSinceMs, phase, stop }) =>
        `           ${task} #${attempt} ${phase}${stop === undefined ? '' : ` (${stop})`}${heldText(heldSinceMs)}`,
    ),
    `devices    ${status.devices.length}`,
    ...status.devices.map(
      ({ id, model, health, reason, fabric }) =>
        `           ${id} ${model} ${health}${reason === undefined ? '' : `: ${reason}`}${fabric === undefined ? '' : ' (NVLink is degraded: no work that needs several GPUs)'}`,
    ),
    ...status.leftOut.map(({ what, why }) => `           ${what} is not offered: ${why}`),
  ];
  return lines.join('\n');
}
