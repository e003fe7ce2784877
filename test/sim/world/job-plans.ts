import type { Prng } from '../kernel/prng.ts';

export interface JobPlan {
  readonly atMs: number;
  readonly consumer: number;
  /** The job file. */
  readonly file: Readonly<Record<string, unknown>>;
  readonly cancelAfterMs?: number;
  /** It is hard on nodes, and its consumer is impatient: it cancels twice at once. */
  readonly isStubborn?: true;
}

/** A ceiling that some nodes are above, programs that want to be root, gangs, and priorities. */
export function withWishes(random: Prng, jobs: readonly JobPlan[]): readonly JobPlan[] {
  return jobs.map((job) => {
    const ceiling = random.chance(0.15) ? random.pick(['0.0002', '0.0006']) : undefined;
    const isRoot = random.chance(0.1);
    const isGang = random.chance(0.2);
    const replicas = Number(job.file['replicas'] ?? 1);
    const file = {
      ...job.file,
      ...(ceiling === undefined ? {} : { price: { max_per_hour: ceiling, currency: 'CAPA' } }),
      ...(isRoot ? { user: '0' } : {}),
      // Few, or no node has room for them all.
      ...(isGang && replicas > 1 ? { gang: true, replicas: 2 + (replicas % 5) } : {}),
      ...(random.chance(0.3) ? { priority: random.below(7) - 3 } : {}),
    };
    return { ...job, file };
  });
}

const constraints = [
  { key: 'tier', operator: 'in', values: ['gold'] },
  { key: 'tier', operator: 'not_in', values: ['gold'] },
  { key: 'tier', operator: 'exists' },
  { key: 'tier', operator: 'not_exists' },
  { key: 'rack', operator: 'gt', values: [1] },
  { key: 'rack', operator: 'lt', values: [2] },
  { key: 'region', operator: 'not_in', values: ['us-east'] },
  { key: 'arch', operator: 'in', values: ['amd64'] },
];
const requests = [
  { model: 'a100' },
  { model: 'RTX 4090', count: 2 },
  { count: 3 },
  { model: 'a100', share: 0.6 },
  { model: 'h100' },
];
const shares = [{ share: 0.3 }, { share: 0.2 }];

/** Regions, constraints on labels, and lists of GPUs of which any will do. */
export function withChoices(random: Prng, jobs: readonly JobPlan[]): readonly JobPlan[] {
  return jobs.map((job) => {
    const regions = random.chance(0.15) ? [random.pick(['EU-Central', 'us-east'])] : undefined;
    const wished = random.chance(0.2)
      ? distinctOf([random.pick(constraints), random.pick(constraints)])
      : undefined;
    // What is wanted most is often not there, and several tasks come to share a device.
    const later = Array.from({ length: 1 + random.below(3) }, () =>
      random.chance(0.5) ? random.pick(shares) : random.pick(requests),
    );
    // A list names nothing twice.
    const gpu = distinctOf([random.pick(requests), ...later]);
    const resources = random.chance(0.35) ? { ...(job.file['resources'] as object), gpu } : undefined;
    const placement = {
      ...(regions === undefined ? {} : { regions }),
      ...(wished === undefined ? {} : { constraints: wished }),
    };
    return {
      ...job,
      file: { ...job.file, placement, ...(resources === undefined ? {} : { resources }) },
    };
  });
}

/** Some may be stopped for others. */
export function withInterruptions(random: Prng, jobs: readonly JobPlan[]): readonly JobPlan[] {
  return jobs.map((job) =>
    random.chance(0.5)
      ? { ...job, file: { ...job.file, interruptible: true, ...savings(random, job) } }
      : job,
  );
}

/** A folder that outlives attempts, which no gang may have. */
function distinctOf<T>(items: readonly T[]): T[] {
  const texts = items.map((item) => JSON.stringify(item));
  return items.filter((_, index) => texts.indexOf(texts[index] ?? '') === index);
}

function savings(random: Prng, { file }: JobPlan): object {
  return file['gang'] === true || random.chance(0.5) ? {} : { checkpoint: { path: '/state' } };
}

/** Jobs of some seeds that need most of a machine, and pay for it in full. */
export function largeJobs(random: Prng, consumers: number, activeMs: number): readonly JobPlan[] {
  return Array.from({ length: 1 + random.below(3) }, () => ({
    atMs: Math.floor(random.between(0, activeMs * 0.8)),
    consumer: random.below(consumers),
    file: {
      version: '1',
      image: 'busybox:1',
      command: ['work'],
      env: { RUN_MS: '5000', FAILS: '0' },
      replicas: 1 + random.below(2),
      resources: { cpu: 3 + random.below(3), memory: '1Gi', disk: '1Gi' },
      timeout: '30s',
      queue_timeout: '80s',
    },
  }));
}

export function jobsOf(random: Prng, consumers: number, activeMs: number): readonly JobPlan[] {
  const count = 2 + random.below(14);
  return Array.from({ length: count }, () => {
    const cancelAfterMs = Math.floor(random.exponential(15_000));
    return {
      atMs: Math.floor(random.between(0, activeMs * 0.9)),
      consumer: random.below(consumers),
      file: jobFileOf(random),
      ...(random.chance(0.15) ? { cancelAfterMs } : {}),
    };
  });
}

function jobFileOf(random: Prng): JobPlan['file'] {
  const isImpossible = random.chance(0.05);
  const gpus = random.chance(0.15) ? 1 + random.below(2) : 0;
  const retryOn = ['error', 'timeout', 'oom'].filter(() => random.chance(0.7));
  return {
    version: '1',
    image: random.chance(0.04) ? 'missing' : 'busybox:1',
    command: ['work'],
    ...(random.chance(0.12) ? { user: '0:0' } : {}),
    env: {
      RUN_MS: `${Math.floor(random.exponential(random.pick([200, 3000, 12_000])))}`,
      FAILS: random.chance(0.5) ? '0' : `${random.next().toFixed(2)}`,
    },
    replicas: random.chance(0.3) ? 1 : 1 + random.below(40),
    resources: {
      cpu: isImpossible ? 500 : random.pick([0.25, 1, 1, 2]),
      memory: random.pick(['256Mi', '1Gi', '2Gi']),
      disk: '1Gi',
      ...(gpus === 0
        ? {}
        : {
            gpu: gpus === 1 && random.chance(0.5) ? { share: random.pick([0.2, 0.5, 0.7]) } : { count: gpus },
          }),
    },
    ...(random.chance(0.5) ? { outputs: [{ path: '/out' }] } : {}),
    timeout: `${2 + random.below(40)}s`,
    queue_timeout: `${10 + random.below(80)}s`,
    stop_grace_period: `${1 + random.below(5)}s`,
    retry: {
      max_attempts: 1 + random.below(4),
      ...(retryOn.length === 0 ? {} : { on: retryOn }),
      backoff: { initial: '1s', max: `${1 + random.below(8)}s` },
      provider_lost: random.below(6),
    },
  };
}

/** Jobs of some seeds that ask for the same, and each for nodes of its own. */
export function kindredJobs(random: Prng, consumers: number, activeMs: number): readonly JobPlan[] {
  return Array.from({ length: 3 + random.below(4) }, () => ({
    atMs: Math.floor(random.between(0, activeMs * 0.9)),
    consumer: random.below(consumers),
    file: {
      version: '1',
      image: 'busybox:1',
      command: ['work'],
      env: { RUN_MS: '2000', FAILS: '0' },
      replicas: 1 + random.below(8),
      resources: { cpu: 0.25, memory: '256Mi', disk: '1Gi' },
      ...(random.chance(0.8) ? { placement: { constraints: [random.pick(constraints)] } } : {}),
      timeout: '20s',
      queue_timeout: '40s',
    },
  }));
}

const pickyImages = [
  'made-for-arm64',
  'made-for-arm64',
  'made-for-amd64',
  'made-for-s390x',
  'refused-by-50',
  'refused-by-100',
  'too-large-for-50',
  'too-large-for-100',
  'unreachable',
];

/** Jobs of some seeds whose images do not run everywhere, which the jobs themselves do not say. */
export function pickyJobs(random: Prng, consumers: number, activeMs: number): readonly JobPlan[] {
  return Array.from({ length: 2 + random.below(5) }, () => ({
    atMs: Math.floor(random.between(0, activeMs * 0.9)),
    consumer: random.below(consumers),
    file: {
      version: '1',
      image: random.pick(pickyImages),
      command: ['work'],
      env: { RUN_MS: '1000', FAILS: random.pick(['0', '0.3']) },
      replicas: 1 + random.below(8),
      resources: { cpu: 0.25, memory: '256Mi', disk: '1Gi' },
      timeout: '20s',
      queue_timeout: `${20 + random.below(60)}s`,
      retry: { max_attempts: 3, backoff: { initial: '1s', max: '4s' }, provider_lost: random.below(4) },
    },
  }));
}

/** Jobs of some seeds whose programs ruin the GPUs that they are given. */
export function ruinousJobs(random: Prng, consumers: number, activeMs: number): readonly JobPlan[] {
  const consumer = random.below(consumers);
  return Array.from({ length: 2 + random.below(5) }, () => ({
    atMs: Math.floor(random.between(0, activeMs * 0.9)),
    consumer,
    file: {
      version: '1',
      image: random.chance(0.8) ? 'ruinous' : 'busybox:1',
      command: ['work'],
      env: { RUN_MS: '4000', RUINS: `${200 + random.below(2500)}`, FAILS: random.pick(['0', '0.5']) },
      replicas: 1 + random.below(12),
      resources: { cpu: 0.25, memory: '256Mi', disk: '1Gi', gpu: random.chance(0.2) ? { share: 0.5 } : 1 },
      timeout: '20s',
      queue_timeout: `${20 + random.below(60)}s`,
      retry: { max_attempts: 3, backoff: { initial: '1s', max: '2s' }, provider_lost: 3 },
    },
  }));
}

/**
 * Jobs of some seeds whose programs run far beyond their time or for long, hear no TERM, come with images that take
 * their time, and whose consumers cancel twice at once.
 */
export function stubbornJobs(random: Prng, consumers: number, activeMs: number): readonly JobPlan[] {
  if (!random.chance(0.3)) return [];
  return Array.from({ length: 1 + random.below(4) }, () => {
    const isOverrun = random.chance(0.5);
    const isDeaf = random.chance(0.5);
    const cancelAfterMs = Math.floor(random.exponential(15_000));
    return {
      atMs: Math.floor(random.between(0, activeMs * 0.8)),
      consumer: random.below(consumers),
      file: {
        version: '1',
        image: random.chance(0.4) ? 'large' : 'busybox:1',
        command: ['work'],
        env: {
          RUN_MS: isOverrun ? '90000' : `${40_000 + random.below(60_000)}`,
          FAILS: random.pick(['0', '0.3']),
          ...(isDeaf ? { DEAF: '1' } : {}),
        },
        replicas: 1 + random.below(random.pick([6, 24])),
        resources: {
          cpu: random.pick([0.25, 1, 2]),
          memory: random.pick(['256Mi', '2Gi']),
          disk: '1Gi',
          ...(random.chance(0.4) ? { gpu: random.pick([{ count: 1 }, { share: 0.4 }]) } : {}),
        },
        ...(random.chance(0.5) ? { outputs: [{ path: '/out' }] } : {}),
        timeout: `${isOverrun ? 2 + random.below(30) : 120 + random.below(60)}s`,
        queue_timeout: `${20 + random.below(60)}s`,
        stop_grace_period: `${isDeaf ? 5 + random.below(16) : 1 + random.below(5)}s`,
        retry: {
          max_attempts: isOverrun ? 4 : 2,
          on: ['error', 'timeout', 'oom'],
          backoff: { initial: '1s', max: '2s' },
          provider_lost: random.below(4),
        },
      },
      isStubborn: true,
      ...(random.chance(0.5) ? { cancelAfterMs } : {}),
    };
  });
}
