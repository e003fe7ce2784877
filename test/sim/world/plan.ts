import type { Offer } from '@capacloud/protocol/capacity/resources';
import { Prng } from '../kernel/prng.ts';
import {
  type JobPlan,
  jobsOf,
  kindredJobs,
  largeJobs,
  pickyJobs,
  ruinousJobs,
  stubbornJobs,
  withChoices,
  withInterruptions,
  withWishes,
} from './job-plans.ts';
import type { MachinePlan } from './machine.ts';

export const faultKinds = [
  'cut',
  'vanish',
  'repeat',
  'delay',
  'partition',
  'coordinator-crash',
  'coordinator-effect-crash',
  'coordinator-clock',
  'coordinator-disk-full',
  'coordinator-disk-stall',
  'coordinator-freeze',
  'agent-crash',
  'agent-effect-crash',
  'agent-clock',
  'agent-disk-full',
  'agent-freeze',
  'agent-restore',
  'device-ill',
  'reboot',
  'docker-gone',
  'docker-hang',
  'docker-restart',
  'lies',
  'forgery',
  'twins',
  'docker-kill',
  'store-full',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** All that a seed decides, as data: shrinking takes parts of it away. */
export interface Plan {
  readonly seed: number;
  /** Faults and submissions end here. */
  readonly activeMs: number;
  /** Strength from 0 to 1 of each kind that this seed has. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly machines: readonly MachinePlan[];
  /** Some jobs ruin the GPUs that they are given, and every machine has one. */
  readonly isRuinous: boolean;
  /** Some jobs are alike but for what they wish of a node. */
  readonly isKindred: boolean;
  /** Many jobs may be stopped for others, where most owners offer that for less. */
  readonly isInterruptible: boolean;
  /** Machines are of two architectures, and some images are made for one of them. */
  readonly isMixed: boolean;
  readonly consumers: number;
  /** What each consumer is given, a decimal: enough for all its jobs, or not. */
  readonly grantsNano: readonly string[];
  readonly jobs: readonly JobPlan[];
  readonly snapshotEvents: number;
  /** The node's idea of time against that of others: whole rules in proportion. */
  readonly leaseMs: number;
}

const gib = 2 ** 30;

export function planOf(seed: number): Plan {
  const random = new Prng(seed, 'plan');
  const activeMs = Math.floor(random.between(20_000, 120_000));
  const faults = swarm(new Prng(seed, 'swarm'));
  const interruption = new Prng(seed, 'interruption');
  const isInterruptible = interruption.chance(0.4);
  const well = withShortestRuns(
    new Prng(seed, 'shortest runs'),
    machinesOf(new Prng(seed, 'machines'), seed, faults),
  );
  const labelled = withLabels(new Prng(seed, 'labels'), withSickDevices(new Prng(seed, 'sickness'), well));
  const discounted = isInterruptible ? withDiscounts(interruption, labelled) : labelled;
  const platforms = new Prng(seed, 'platforms');
  const isMixed = platforms.chance(0.25);
  const machines = isMixed ? withArchitectures(platforms, discounted) : discounted;
  const consumers = 1 + random.below(3);
  const ruin = new Prng(seed, 'ruin');
  const isRuinous = ruin.chance(0.2);
  const kin = new Prng(seed, 'kin');
  const isKindred = kin.chance(0.1);
  const wished = withWishes(new Prng(seed, 'wishes'), jobsOf(new Prng(seed, 'jobs'), consumers, activeMs));
  const jobs = [
    ...withChoices(new Prng(seed, 'choices'), wished),
    ...stubbornJobs(new Prng(seed, 'stubborn'), consumers, activeMs),
    ...(isRuinous ? ruinousJobs(ruin, consumers, activeMs) : []),
    ...(isKindred ? kindredJobs(kin, consumers, activeMs) : []),
    ...(isMixed ? pickyJobs(platforms, consumers, activeMs) : []),
  ];
  return {
    seed,
    activeMs,
    faults,
    machines: isRuinous ? machines.map(withGpu) : machines,
    isRuinous,
    isKindred,
    isInterruptible,
    isMixed,
    consumers,
    grantsNano: grantsOf(new Prng(seed, 'grants'), consumers),
    jobs: isInterruptible
      ? [...withInterruptions(interruption, jobs), ...largeJobs(interruption, consumers, activeMs)]
      : jobs,
    snapshotEvents: random.pick([50, 200, 1000, 100_000]),
    leaseMs: random.pick([12_000, 20_000, 30_000]),
  };
}

/** A random subset at random strengths: some bugs need one fault alone, and others hide when all come at once. */
function swarm(random: Prng): Plan['faults'] {
  if (random.chance(0.03)) return {};
  const share = random.pick([0.1, 0.25, 0.5, 0.8]);
  const faults: Partial<Record<FaultKind, number>> = {};
  for (const kind of faultKinds) {
    const isIn = random.chance(share);
    const strength = random.next() ** 2;
    if (isIn) faults[kind] = 0.02 + 0.98 * strength;
  }
  return faults;
}

function machinesOf(random: Prng, seed: number, faults: Plan['faults']): readonly MachinePlan[] {
  const count = 1 + random.below(6);
  const machines: MachinePlan[] = [];
  for (let n = 0; n < count; n++) {
    const lies = faults.lies !== undefined && random.chance(0.5) ? faults.lies * 0.6 : 0;
    const offer = offerOf(random, n);
    machines.push({ name: `node${n}`, key: `key ${seed} ${n}`, offer, lies });
    if (faults.twins !== undefined && random.chance(0.3))
      machines.push({ name: `node${n}twin`, key: `key ${seed} ${n}`, offer, lies });
  }
  return machines;
}

/** Some devices are known not to be well, and nothing may be placed on them. */
function withSickDevices(random: Prng, machines: readonly MachinePlan[]): readonly MachinePlan[] {
  return machines.map(({ offer, ...machine }) => {
    const devices = offer.devices.map((device) =>
      random.chance(0.15) ? ({ ...device, health: 'suspect' } as const) : device,
    );
    return { ...machine, offer: { ...offer, devices } };
  });
}

/** Most say where they are and something else, each its own. */
function withLabels(random: Prng, machines: readonly MachinePlan[]): readonly MachinePlan[] {
  return machines.map(({ offer, ...machine }) => {
    const region = random.chance(0.7) ? random.pick(['eu-central', 'us-east']) : undefined;
    const tier = random.chance(0.7) ? random.pick(['gold', 'lead']) : undefined;
    const labels = { ...(tier === undefined ? {} : { tier }), rack: `${random.below(4)}` };
    const said = { ...(region === undefined ? {} : { region }), ...(random.chance(0.8) ? { labels } : {}) };
    return { ...machine, offer: { ...offer, ...said } };
  });
}

function withGpu(machine: MachinePlan): MachinePlan {
  if (machine.offer.devices.length > 0) return machine;
  const device = { id: `GPU-${machine.key}`.replaceAll(' ', '-'), model: 'rtx-4090', memoryBytes: 24 * gib };
  const devices = [{ ...device, vendor: 'nvidia', health: 'healthy' } as const];
  return { ...machine, offer: { ...machine.offer, devices } };
}

/** Some owners take no tasks that may run for a short time only. */
function withShortestRuns(random: Prng, machines: readonly MachinePlan[]): readonly MachinePlan[] {
  return machines.map((machine) => {
    const minRunMs = 1000 * (5 + random.below(25));
    return random.chance(0.25) ? { ...machine, offer: { ...machine.offer, minRunMs } } : machine;
  });
}

/** Machines of two kinds; a twin is of the kind of its other self. */
function withArchitectures(random: Prng, machines: readonly MachinePlan[]): readonly MachinePlan[] {
  const kinds = new Map<string, string>();
  return machines.map((machine) => {
    const arch = kinds.get(machine.key) ?? (random.chance(0.4) ? 'arm64' : 'amd64');
    kinds.set(machine.key, arch);
    return { ...machine, offer: { ...machine.offer, arch } };
  });
}

/** Most owners sell for less to who may be stopped. */
function withDiscounts(random: Prng, machines: readonly MachinePlan[]): readonly MachinePlan[] {
  return machines.map((machine) => {
    const interruptibleDiscountPercent = 5 + random.below(80);
    return random.chance(0.7)
      ? { ...machine, offer: { ...machine.offer, interruptibleDiscountPercent } }
      : machine;
  });
}

function grantsOf(random: Prng, consumers: number): readonly string[] {
  return Array.from({ length: consumers }, () => {
    const isScarce = random.chance(0.25);
    return isScarce ? `${Math.floor(random.between(3e7, 5e8))}` : `${10n ** 12n}`;
  });
}

function offerOf(random: Prng, n: number): Offer {
  const devices = random.chance(0.4) ? 1 + random.below(4) : 0;
  const isShareable = random.chance(0.5);
  const slots = 1 + random.below(6);
  return {
    cpuMilli: 1000 * (1 + random.below(8)),
    memoryBytes: (2 + random.below(14)) * gib,
    diskBytes: 64 * gib,
    slots,
    devices: Array.from({ length: devices }, (_, i) => ({
      id: `GPU-${n}-${i}`,
      vendor: 'nvidia',
      model: random.pick(['rtx-4090', 'a100-sxm4-80gb']),
      memoryBytes: 24 * gib,
      health: 'healthy',
      ...(isShareable ? { shareable: true } : {}),
    })),
    arch: 'amd64',
    allowRoot: random.chance(0.5),
    ask: {
      cpuHourNano: `${1 + random.below(1000)}000`,
      memoryGibHourNano: `${random.below(500)}`,
      diskGibHourNano: '0',
      deviceHourNano: `${random.below(100)}0000`,
    },
  };
}
