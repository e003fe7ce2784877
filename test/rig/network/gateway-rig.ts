import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ClientAddresses } from '@capacloud/coordinator/client-addresses';
import { type Gateway, openGateway } from '@capacloud/coordinator/gateway/gateway';
import type { GatewayLimits } from '@capacloud/coordinator/gateway/gateway-limits';
import { JobSpecs } from '@capacloud/coordinator/job-specs';
import { CommandSequencer } from '@capacloud/coordinator/log/command-sequencer';
import type { ArtifactRow, TaskCheckpoint } from '@capacloud/coordinator/ports/artifact-index';
import type { LogGroup, LogPort } from '@capacloud/coordinator/ports/log';
import type { Projection } from '@capacloud/coordinator/ports/projection';
import type { Aside, CommittedEvent } from '@capacloud/coordinator/ports/sequencer';
import { createQuestions } from '@capacloud/coordinator/questions/questions';
import type { JobTerms } from '@capacloud/core/contract/command';
import { defaultRuleset, type Ruleset } from '@capacloud/core/contract/ruleset';
import { createState } from '@capacloud/core/state';
import type { AccountId, JobId, NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import { jobIdFrom, taskIndexOf } from '@capacloud/protocol/ids';
import type { JobSpec } from '@capacloud/protocol/job/job-spec';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import { pino } from 'pino';

/** The gateway over the real core and sequencer, on a real socket; the log is kept in memory. */
export interface GatewayRig {
  readonly url: string;
  readonly port: number;
  readonly gateway: Gateway;
  readonly sequencer: CommandSequencer;
  readonly events: CommittedEvent[];
  readonly asides: Aside[];
  /** With the index of the task for whose first attempt each was uploaded. */
  readonly artifacts: Map<Sha256Hex, ArtifactRow & { readonly taskIndex: number }>;
  /** What ended the sequencer; a test that passes has none. */
  readonly fatal: Error[];
  submitJob(tasks: number, change?: Partial<JobTerms>, outputs?: JobSpec['outputs']): Promise<JobId>;
  cancel(job: JobId): Promise<void>;
  tick(): Promise<void>;
  stop(): Promise<void>;
}

export interface GatewayRigOptions {
  readonly limits?: Partial<GatewayLimits>;
  readonly ruleset?: Partial<Ruleset>;
  readonly now?: () => number;
  readonly trustedProxies?: readonly string[];
  readonly heapShare?: () => number;
  /** Keep what was committed: off where a test makes millions. */
  readonly keeps?: boolean;
}

export const rigCoordinator = 'rig.local';
export const rigChainId = 31337;
export const rigConsumer = 'acc_rig' as AccountId;

class MemoryLog implements LogPort {
  #size = 0;
  /** As the disk does, it takes a turn of the event loop. */
  append(group: LogGroup): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#size = group.first + group.count;
        resolve();
      });
    });
  }
  size(): number {
    return this.#size;
  }
  read(): Promise<never> {
    return Promise.reject(new Error('the memory log is not read'));
  }
  follow(): AsyncIterable<never> {
    throw new Error('the memory log is not read');
  }
}

export async function startGatewayRig(options: GatewayRigOptions = {}): Promise<GatewayRig> {
  const now = options.now ?? (() => Date.now());
  const fatal: Error[] = [];
  const asides: Aside[] = [];
  const events: CommittedEvent[] = [];
  const specs = new Map<JobId, string>();
  const sessions = new Map<NodeId, Extract<Aside, { kind: 'session' }>>();
  const artifacts: GatewayRig['artifacts'] = new Map();
  const projection: Projection = {
    before() {},
    after() {},
    aside(aside) {
      if (aside.kind === 'job_spec') specs.set(aside.job, aside.spec);
      if (aside.kind === 'session') sessions.set(aside.node, aside);
      if (options.keeps !== false) asides.push(aside);
    },
    take: () => [],
  };
  const sequencer = new CommandSequencer({
    state: createState(),
    log: new MemoryLog(),
    fencingEpoch: 1,
    projection,
    now,
    onFatal: (error) => {
      fatal.push(error);
    },
  });
  const must = async (outcome: ReturnType<CommandSequencer['submit']>) => {
    const result = await outcome;
    if (!result.ok) throw new Error(`${result.refusal.code}: ${result.refusal.message}`);
  };
  const ruleset = {
    ...defaultRuleset,
    maxLiveTasksPerAccount: 10_000_000,
    maxUnprovenNodes: 1_000_000,
    ...options.ruleset,
  };
  const questions = createQuestions(sequencer, now);
  await must(sequencer.submit({ type: 'log.open', at: now(), origin: rigCoordinator, ruleset }));
  await must(sequencer.submit({ type: 'account.open', at: now(), account: rigConsumer }));
  await must(
    sequencer.submit({
      type: 'account.credit',
      at: now(),
      account: rigConsumer,
      amountNano: 10n ** 18n,
      ref: 'rig',
    }),
  );
  const checkpoints = new Map<TaskId, TaskCheckpoint & { readonly sizeBytes: number }>();
  if (options.keeps !== false) sequencer.onCommitted((group) => void events.push(...group));
  const gateway = await openGateway({
    submitter: sequencer,
    committed: sequencer,
    questions,
    specs: new JobSpecs({
      getJobSpec: (job) => {
        const spec = specs.get(job);
        return Promise.resolve(spec === undefined ? undefined : { spec, salt: '' });
      },
    }),
    store: { getNodeSession: (node) => Promise.resolve(sessions.get(node)) },
    artifacts: {
      get: (sha256) => Promise.resolve(artifacts.get(sha256)),
      hasBrought: ({ attempt, task }, sha256) =>
        Promise.resolve(attempt === 1 && artifacts.get(sha256)?.taskIndex === taskIndexOf(task)),
      keepCheckpoint(kept) {
        checkpoints.set(kept.task, { ...kept, sizeBytes: artifacts.get(kept.sha256)?.sizeBytes ?? 0 });
        return Promise.resolve();
      },
      checkpointOf: (task) => Promise.resolve(checkpoints.get(task)),
    },
    clients: new ClientAddresses(options.trustedProxies ?? []),
    logger: pino({ level: 'silent' }),
    coordinator: rigCoordinator,
    chainId: rigChainId,
    nonceSecret: randomBytes(32).toString('hex'),
    // All peers of a test come from one address.
    limits: {
      addressJoinsPerHour: 1_000_000,
      networkJoinsPerHour: 1_000_000,
      allJoinsPerHour: 1_000_000,
      ...options.limits,
    },
    ...(options.heapShare === undefined ? {} : { heapShare: options.heapShare }),
    now,
  });
  const server = createServer((_, response) => response.writeHead(404).end());
  gateway.attach(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', 8192, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    gateway,
    sequencer,
    events,
    asides,
    artifacts,
    fatal,
    submitJob: async (tasks, change = {}, outputs = []) => {
      const job = jobIdFrom(randomBytes(20));
      const terms = { ...plainTerms, ...change, tasks };
      const aside: Aside = {
        kind: 'job_spec',
        job,
        spec: specOf(terms, outputs),
        salt: '',
        image: 'busybox',
      };
      await must(
        sequencer.submit({ type: 'job.submit', at: now(), job, consumer: rigConsumer, terms }, () => [aside]),
      );
      return job;
    },
    cancel: (job) => must(sequencer.submit({ type: 'job.cancel', at: now(), job, consumer: rigConsumer })),
    tick: () =>
      must(sequencer.submit({ type: 'tick', at: now(), heard: gateway.heard(), listeningSince: 0 })),
    stop: async () => {
      await gateway.drain(AbortSignal.timeout(5000));
      await sequencer.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

const plainTerms: JobTerms = {
  specHash: sha256Hex('rig'),
  tasks: 1,
  resources: { cpuMilli: 100, memoryBytes: 64 * 2 ** 20, diskBytes: 0, shmBytes: 0 },
  needsRoot: false,
  providers: [],
  excludeProviders: [],
  maxRateNano: 10n ** 9n,
  holdNano: 10n ** 6n,
  queueTimeoutMs: 3_600_000,
  runTimeoutMs: 60_000,
  stopGraceMs: 10_000,
  maxAttempts: 1,
  retryOn: ['error', 'timeout', 'oom'],
  retryExitCodes: [],
  backoffInitialMs: 1000,
  backoffMaxMs: 60_000,
  providerLost: 5,
};

/** What the API would have stored for these terms. */
function specOf(terms: JobTerms, outputs: JobSpec['outputs']): string {
  return JSON.stringify({
    labels: {},
    image: 'busybox',
    command: ['/bin/sh', '-c', 'true'],
    env: { RIG: '1' },
    resources: terms.resources,
    providers: [],
    excludeProviders: [],
    replicas: terms.tasks,
    inputs: [],
    outputs,
    timeoutMs: terms.runTimeoutMs,
    queueTimeoutMs: terms.queueTimeoutMs,
    stopGraceMs: terms.stopGraceMs,
  });
}

/** Looks until it holds. Throws when it has not in 20 seconds: a condition that never comes is a failure. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
