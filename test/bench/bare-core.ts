import type { Command, JobTerms } from '@capacloud/core/contract/command';
import type { Event } from '@capacloud/core/contract/event';
import { defaultRuleset } from '@capacloud/core/contract/ruleset';
import { apply, decide } from '@capacloud/core/machine';
import { ScheduleNotes } from '@capacloud/core/scheduler/schedule-notes';
import { createState } from '@capacloud/core/state';
import type { Offer, Resources } from '@capacloud/protocol/capacity/resources';
import type { AccountId, JobId, NodeId, Sha256Hex } from '@capacloud/protocol/ids';

const consumer = 'acc_bench' as AccountId;
const provider = 'acc_cluster' as AccountId;

/** The state machine with nothing around it: each task is a job of its own. */
export class BareCore {
  readonly #state = createState();
  readonly #notes = new ScheduleNotes();
  #at = 1;
  #jobs = 0;
  /** Wall time of looks: the decision, and its event applied. The longest, and of all. */
  longestMs = 0;
  placingMs = 0;
  /** nano-CAPA an hour of all that was placed. */
  paidNano = 0;

  constructor(offers: readonly Offer[]) {
    const at = this.#at;
    this.#run({
      type: 'log.open',
      at,
      origin: 'bench',
      ruleset: { ...defaultRuleset, maxUnprovenNodes: 1_000_000 },
    });
    this.#run({ type: 'account.open', at, account: consumer });
    this.#run({ type: 'account.credit', at, account: consumer, amountNano: 10n ** 15n, ref: 'bench' });
    for (const [index, offer] of offers.entries()) {
      const node = `node_${index.toString(16).padStart(40, '0')}` as NodeId;
      this.#run({ type: 'node.connect', at, node, provider, offer, accepting: true, held: [] });
    }
  }

  /** Submits a task and looks once. What is not placed is cancelled: undefined. */
  place(resources: Resources, maxRateNano: bigint): JobId | undefined {
    this.#at += 1;
    this.#jobs += 1;
    const at = this.#at;
    const job = jobIdOf(this.#jobs);
    this.#run({ type: 'job.submit', at, job, consumer, terms: termsOf(resources, maxRateNano) });
    const from = performance.now();
    const [placed] = this.#run({ type: 'place', at });
    const tookMs = performance.now() - from;
    this.placingMs += tookMs;
    this.longestMs = Math.max(this.longestMs, tookMs);
    if (placed?.type === 'attempt.assigned') {
      this.paidNano += Number(placed.rateNano);
      return job;
    }
    this.#run({ type: 'job.cancel', at, job, consumer });
    return undefined;
  }

  /** The task has succeeded, and its node has room again. */
  finish(job: JobId): void {
    const [task] = this.#state.jobs.get(job)?.tasks ?? [];
    if (task?.node === undefined) throw new Error(`${job} is on no node`);
    this.#run({
      type: 'attempt.finish',
      at: this.#at,
      node: task.node,
      task: task.id,
      attempt: task.attempt,
      reason: 'completed',
      receipt: 'a'.repeat(64) as Sha256Hex,
      claimedRunMs: 1,
      exitCode: 0,
    });
  }

  #run(command: Command): readonly Event[] {
    const result = decide(this.#state, command, this.#notes);
    if (!result.ok) throw new Error(`${command.type}: ${result.refusal.message}`);
    for (const event of result.value) apply(this.#state, event);
    return result.value;
  }
}

function termsOf(resources: Resources, maxRateNano: bigint): JobTerms {
  return {
    specHash: 'a'.repeat(64) as Sha256Hex,
    tasks: 1,
    resources,
    needsRoot: false,
    providers: [],
    excludeProviders: [],
    maxRateNano,
    holdNano: 1n,
    queueTimeoutMs: 1_000_000_000,
    runTimeoutMs: 1_000_000_000,
    stopGraceMs: 0,
    maxAttempts: 1,
    retryOn: [],
    retryExitCodes: [],
    backoffInitialMs: 0,
    backoffMaxMs: 0,
    providerLost: 0,
  };
}

function jobIdOf(n: number): JobId {
  const letters = n
    .toString()
    .padStart(20, '0')
    .replace(/[0-9]/g, (digit) => 'abcdefghij'[Number(digit)] ?? '');
  return `job_${letters}` as JobId;
}
