import { Auditor } from './auditor.ts';
import { AuditFailure, type AuditTerms, type Observation, type Rule } from './observation.ts';

export const terms: AuditTerms = { overrunMs: 5_000, promptMs: 2_000, slackMs: 10_000, clientsPersist: true };
export const epochMs = 1_000_000;

export const ruleset = {
  version: 1,
  feeBasisPoints: 300,
  unknownAfterMs: 15_000,
  leaseMs: 60_000,
  lostMarginMs: 5_000,
  assignTimeoutMs: 60_000,
  pullTimeoutMs: 100_000,
  startTimeoutMs: 50_000,
  uploadTimeoutMs: 100_000,
  runMarginMs: 60_000,
  maxTasksPerJob: 100,
  maxLiveTasksPerAccount: 100,
  maxUnprovenNodes: 3,
  maxAwayNodes: 1,
};
export const device = {
  id: 'GPU-1',
  vendor: 'nvidia',
  model: 'rtx-4090',
  memoryBytes: 2 ** 34,
  health: 'healthy',
};
export const offer = {
  cpuMilli: 2000,
  memoryBytes: 2 ** 31,
  diskBytes: 2 ** 31,
  slots: 2,
  devices: [device],
  allowRoot: false,
  arch: 'amd64',
  region: 'eu-central',
  labels: { tier: 'gold', rack: '12' },
  ask: { cpuHourNano: '3600000', memoryGibHourNano: '0', diskGibHourNano: '0', deviceHourNano: '7200000' },
};
export const job = {
  job: 'job_a',
  consumer: 'acc_ada',
  tasks: 1,
  resources: { cpuMilli: 1000, memoryBytes: 2 ** 30, diskBytes: 2 ** 20, devices: { count: 1 } },
  needsRoot: false,
  providers: [],
  excludeProviders: [],
  queueTimeoutMs: 600_000,
  runTimeoutMs: 100_000,
  stopGraceMs: 1_000,
  maxAttempts: 2,
  retryOn: ['error'],
  retryExitCodes: [],
  backoffInitialMs: 1_000,
  backoffMaxMs: 8_000,
  providerLost: 3,
  maxRateNano: '20000000',
  holdNano: '1000000',
};
export const [ada, pat, node, other] = ['acc_ada', 'acc_pat', 'node_1', 'node_2'] as const;
export const task = 'job_a.0';
export const nonce = 'f'.repeat(32);

type Fields = Readonly<Record<string, unknown>>;

/** Tells an auditor what happens, step by step; true time and the log's go together. */
export class Story {
  readonly told: Observation[] = [];
  nowMs = 0;
  size = 0;
  #reports = 0;

  wait(ms: number): this {
    this.nowMs += ms;
    return this.tell({ kind: 'time', atMs: this.nowMs });
  }

  /** Time goes by and both nodes are heard. */
  pass(ms: number, everyMs = 30_000): this {
    for (let left = ms; left > 0; left -= everyMs) {
      this.hear({ type: 'heartbeat', n: this.nowMs }).hear({ type: 'heartbeat', n: this.nowMs }, other);
      this.wait(Math.min(left, everyMs));
    }
    return this;
  }

  tell(observation: Observation): this {
    this.told.push(observation);
    return this;
  }

  commit(...entries: readonly Fields[]): this {
    const lines = entries.map((entry) => JSON.stringify({ at: epochMs + this.nowMs, ...entry }));
    const first = this.size;
    this.size += lines.length;
    return this.tell({ kind: 'committed', coordinator: 0, first, lines });
  }

  say(frame: Fields, to: string = node, session = `${to} 1`): this {
    return this.tell({ kind: 'said', to: 'agent', node: to, session, frame });
  }

  hear(frame: Fields, from: string = node, session = `${from} 1`, genuine = true): this {
    return this.tell({ kind: 'heard', node: from, session, frame: JSON.stringify(frame), genuine });
  }

  container(change: 'started' | 'ended', attempt = 1, on: string = node, of: string = task): this {
    const devices = of === task ? [device.id] : [];
    return this.tell({
      kind: 'container',
      node: on,
      instance: 0,
      task: of,
      attempt,
      change,
      devices,
      atMs: this.nowMs,
    });
  }

  lease(untilMs: number, on: string = node): this {
    return this.tell({ kind: 'lease', node: on, instance: 0, task: '', attempt: 0, untilMs });
  }

  /** The log, an account with money, and two nodes with a session each. */
  open(): this {
    this.wait(0).commit(
      { type: 'log.opened', origin: 'sim', ruleset },
      { type: 'account.opened', account: ada },
      { type: 'account.credited', account: ada, amountNano: '5000000', ref: 'g1' },
      { type: 'account.opened', account: pat },
    );
    for (const id of [node, other]) {
      this.hear({ type: 'hello' }, id).commit(
        { type: 'node.joined', node: id, provider: pat },
        { type: 'node.offered', node: id, provider: pat, offer, accepting: true },
        { type: 'node.status_changed', node: id, to: 'ready', cause: 'connected' },
      );
      this.say({ type: 'welcome', leaseMs: ruleset.leaseMs, desired: [] }, id);
    }
    return this;
  }

  submit(change: Fields = {}): this {
    const submitted = { type: 'job.submitted', ...job, ...change };
    const word = {
      type: 'submitted',
      account: ada,
      key: `key of ${submitted.job}`,
      job: submitted.job,
    } as const;
    return this.commit(submitted).tell({ kind: 'said', to: 'client', frame: word });
  }

  assign(attempt = 1, on: string = node, change: Fields = {}): this {
    const rateNano = '10800000';
    const assigned = { type: 'attempt.assigned', task, attempt, node: on, devices: [device.id], rateNano };
    this.commit({ ...assigned, ...change });
    return this.say({ type: 'assign', assignments: [{ task, attempt, nonce }] }, on);
  }

  report(stage: string, attempt = 1, on: string = node): this {
    this.#reports += 1;
    this.hear({ type: 'report', items: [{ kind: 'progress', id: this.#reports, task, attempt, stage }] }, on);
    this.commit({ type: 'attempt.progressed', task, attempt, stage });
    return this.say({ type: 'ack', report: this.#reports, heartbeat: 0 }, on);
  }

  heartbeat(n: number, on: string = node, report = 0): this {
    return this.hear({ type: 'heartbeat', n }, on).say({ type: 'ack', report, heartbeat: n }, on);
  }

  receipt(change: Fields = {}, on: string = node, attempt = 1, genuine = true): this {
    this.#reports += 1;
    const [startedAt, finishedAt] = [epochMs + this.nowMs - 1_000, epochMs + this.nowMs];
    const told = { node: on, task, attempt, nonce, reason: 'completed', exitCode: 0, oomKilled: false };
    const receipt = { ...told, startedAt, finishedAt, outputs: [], ...change };
    return this.hear(
      { type: 'report', items: [{ kind: 'finished', id: this.#reports, receipt }] },
      on,
      `${on} 1`,
      genuine,
    );
  }

  /** Metered is a second: 10,800,000 an hour make 3,000, of which 3 % are the fee. */
  end(change: Fields = {}, then: Fields = {}): this {
    const success = {
      kind: 'succeeded',
      chargeNano: '3000',
      payNano: '2910',
      feeNano: '90',
      meteredMs: 1_000,
    };
    return this.commit({
      type: 'attempt.ended',
      task,
      attempt: 1,
      reason: 'completed',
      exitCode: 0,
      receipt: 'hash',
      released: true,
      then: { ...success, ...then },
      ...change,
    });
  }

  ack(): this {
    return this.say({ type: 'ack', report: this.#reports, heartbeat: 0 });
  }

  settle(counts: Fields = { succeeded: 1 }): this {
    const none = { succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
    return this.commit({ type: 'job.settled', job: job.job, ...none, ...counts });
  }

  /** Up to a running container, with a second gone by. */
  run(): this {
    this.open().submit().assign().lease(50_000).report('pulling').report('starting');
    return this.container('started').report('running').wait(1_000);
  }

  /** A whole life of a task, and all that goes with it. */
  live(): this {
    this.run().container('ended').report('uploading').wait(100).receipt().end().ack().settle();
    return this;
  }
}

/** The rule that a story breaks, or with `finish` its end. */
export function ruleBrokenBy(story: Story, finish = false): Rule | undefined {
  const auditor = new Auditor(terms);
  try {
    for (const observation of story.told) auditor.observe(observation);
    if (finish) auditor.finish();
  } catch (error) {
    if (error instanceof AuditFailure) return error.rule;
    throw error;
  }
  return undefined;
}
