import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command, JobTerms } from '@capacloud/core/contract/command';
import { defaultRuleset } from '@capacloud/core/contract/ruleset';
import { createState, type State } from '@capacloud/core/state';
import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import { CommandSequencer } from '../log/command-sequencer.ts';
import { replay } from '../log/replay.ts';
import type { SequencerLimits } from '../log/sequencer-limits.ts';
import type { LogPort } from '../ports/log.ts';
import type { Aside, CommittedEvent, Outcome } from '../ports/sequencer.ts';
import { openStore, type Store } from '../store/store.ts';

export const consumer = 'acc_ada' as AccountId;
const base32 = 'abcdefghijklmnopqrstuvwxyz234567';

export function temporaryFolder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'capacloud-log-'));
  return {
    path,
    [Symbol.dispose]() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

export function nodeNamed(n: number): NodeId {
  return `node_${n.toString(16).padStart(40, '0')}` as NodeId;
}

export function jobNamed(n: number): JobId {
  let text = '';
  for (let i = 0, rest = n; i < 20; i++, rest = Math.floor(rest / 32)) text = `${base32[rest % 32]}${text}`;
  return `job_${text}` as JobId;
}

export function termsOf(tasks: number, changes: Partial<JobTerms> = {}): JobTerms {
  return {
    specHash: sha256Hex('spec'),
    tasks,
    resources: { cpuMilli: 1000, memoryBytes: 2 ** 30, diskBytes: 0, shmBytes: 0 },
    needsRoot: false,
    providers: [],
    excludeProviders: [],
    maxRateNano: 10n ** 9n,
    holdNano: 10n ** 6n,
    queueTimeoutMs: 3_600_000,
    runTimeoutMs: 3_600_000,
    stopGraceMs: 10_000,
    maxAttempts: 2,
    retryOn: ['error'],
    retryExitCodes: [],
    backoffInitialMs: 1000,
    backoffMaxMs: 1000,
    providerLost: 3,
    ...changes,
  };
}

/** The real store and sequencer, with a clock that the test moves. */
export class Workload {
  readonly store: Store;
  readonly sequencer: CommandSequencer;
  readonly failures: Error[] = [];
  at: number;
  #jobs = 0;

  private constructor(
    store: Store,
    state: State,
    at: number,
    log: LogPort,
    limits: SequencerLimits | undefined,
    jobs: number,
  ) {
    this.store = store;
    this.at = at;
    this.#jobs = jobs;
    this.sequencer = new CommandSequencer({
      state,
      log,
      fencingEpoch: store.fencingEpoch,
      projection: store.projection,
      now: () => this.at,
      onFatal: (error) => this.failures.push(error),
      ...(limits === undefined ? {} : { limits }),
    });
  }

  static async open(
    dataDir: string,
    options: { readonly limits?: SequencerLimits; readonly wrap?: (log: LogPort) => LogPort } = {},
  ): Promise<Workload> {
    const store = await openStore(dataDir);
    const { state, size } = await replay(store.log, [], AbortSignal.any([]));
    const log = options.wrap?.(store.log) ?? store.log;
    return new Workload(
      store,
      size === 0 ? createState() : state,
      1_000_000 + size,
      log,
      options.limits,
      state.jobSeq,
    );
  }

  send(command: Command): Promise<Outcome> {
    return this.sequencer.submit(command);
  }

  /** A coordinator with money and nodes of 4 slots. */
  async prepare(nodes: number): Promise<void> {
    const at = this.at;
    await Promise.all([
      this.send({ type: 'log.open', at, origin: 'log.test', ruleset: defaultRuleset }),
      this.send({ type: 'account.open', at, account: consumer }),
      this.send({ type: 'account.credit', at, account: consumer, amountNano: 10n ** 15n, ref: 'first' }),
      ...Array.from({ length: nodes }, (_, n) => this.connect(n)),
    ]);
  }

  connect(n: number): Promise<Outcome> {
    return this.send({
      type: 'node.connect',
      at: this.at,
      node: nodeNamed(n),
      provider: `0x${n.toString(16).padStart(40, '0')}` as AccountId,
      accepting: true,
      held: [],
      offer: {
        cpuMilli: 16_000,
        memoryBytes: 2 ** 36,
        diskBytes: 2 ** 36,
        slots: 4,
        devices: [],
        arch: 'amd64',
        allowRoot: false,
        ask: { cpuHourNano: '3600000', memoryGibHourNano: '7', diskGibHourNano: '0', deviceHourNano: '0' },
      },
    });
  }

  submitJob(tasks: number, changes: Partial<JobTerms> = {}): Promise<Outcome> {
    this.#jobs += 1;
    const job = jobNamed(this.#jobs);
    return this.sequencer.submit(
      { type: 'job.submit', at: this.at, job, consumer, terms: termsOf(tasks, changes) },
      () => [
        { kind: 'job_spec', job, spec: '{"image":"local/test:1"}', salt: 'salt', image: 'local/test:1' },
      ],
    );
  }

  /** Answers every assignment as a node would; `outcome` says how the attempt ends. */
  follow(outcome: (event: CommittedEvent) => OutcomeReason = () => 'completed'): () => void {
    return this.sequencer.onCommitted((events) => {
      for (const one of events) {
        const { event } = one;
        if (event.type !== 'attempt.assigned') continue;
        const { node, task, attempt } = event;
        this.at += 1;
        const reason = outcome(one);
        void this.send({ type: 'attempt.progress', at: this.at, node, task, attempt, stage: 'running' });
        void this.sequencer.submit(
          {
            type: 'attempt.finish',
            at: this.at + 5,
            node,
            task,
            attempt,
            reason,
            exitCode: reason === 'completed' ? 0 : 3,
            receipt: sha256Hex(receiptTextOf(task)),
            claimedRunMs: 5,
          },
          (events) => unsignedReceipt(events, task, attempt, receiptTextOf(task)),
        );
      }
    });
  }

  async close(): Promise<void> {
    await this.sequencer.close();
    await this.store.close();
  }
}

/** Stands for a receipt where nobody looks into it. */
export function receiptTextOf(task: TaskId): string {
  return `{"task":"${task}"}`;
}

/** The rows of a receipt without its agent: alone in its batch, under signatures that were never made. */
export function unsignedReceipt(
  events: readonly CommittedEvent[],
  task: TaskId,
  attempt: number,
  receipt: string,
): readonly Aside[] {
  const digest = 'no delegation';
  return [
    { kind: 'delegation', digest, delegation: '{}', signature: '0x' },
    {
      kind: 'receipt',
      event: events[0]?.index ?? 0,
      isLate: events[0]?.event.type !== 'attempt.ended',
      task,
      attempt,
      receipt,
      position: 0,
      size: 1,
      path: '',
      signature: '',
      delegation: digest,
    },
  ];
}
