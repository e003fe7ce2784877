import type { Device, DeviceRequest } from '@capacloud/protocol/capacity/resources';
import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import { outcomeReasons } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import type { AttemptStage } from '@capacloud/protocol/wire/frames';
import type { Command, Contact } from '../contract/command.ts';
import { defaultRuleset } from '../contract/ruleset.ts';
import type { Task } from '../slices/attempt/record.ts';
import type { State } from '../state.ts';
import { consumer, gib, hash, jobId, nodeId, offer, provider, terms } from './harness.ts';

/** One number of a run is enough to choose everything: fast-check shrinks the list, not the choices. */
export class Dice {
  #seed: number;
  constructor(seed: number) {
    this.#seed = seed >>> 0;
  }
  below(n: number): number {
    // xorshift32
    this.#seed ^= this.#seed << 13;
    this.#seed ^= this.#seed >>> 17;
    this.#seed ^= this.#seed << 5;
    this.#seed >>>= 0;
    return this.#seed % n;
  }
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick');
    return item;
  }
  /** Any command, mostly one that makes sense in this state. */
  command(state: State, at: number): Command {
    return randomCommand(state, this, at);
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

export const other = 'acc_other' as AccountId;
export const ruleset = {
  ...defaultRuleset,
  maxTasksPerJob: 40,
  maxLiveTasksPerAccount: 150,
  assignTimeoutMs: 9000,
  nodeBackoffInitialMs: 4000,
  flapWindowMs: 60_000,
  poisonNodes: 2,
  poisonMs: 20_000,
  preemptAfterMs: 3000,
  checkpointTimeoutMs: 6000,
  uploadHoldMs: 20_000,
  maxUploadHolds: 4,
  maxUnprovenNodes: 4,
  maxAwayNodes: 1,
};
const stages: readonly AttemptStage[] = ['pulling', 'starting', 'running', 'uploading'];
const reasons = Object.keys(outcomeReasons) as OutcomeReason[];
/** Ids come from a pool of three, so that they meet; now and then one is fresh, and a list may have one twice. */
function randomDevices(dice: Dice): Device[] {
  const health = dice.chance(20) ? 'quarantined' : 'healthy';
  const list = Array.from({ length: dice.below(4) }, (_, n): Device => {
    const id = dice.chance(90) ? n : 3 + dice.below(1000);
    return {
      id: `GPU-${id}`,
      vendor: 'nvidia',
      model: 'rtx-4090',
      memoryBytes: 24 * gib,
      health,
      shareable: id === 1,
    };
  });
  const [first] = list;
  return first !== undefined && dice.chance(5) ? [...list, { ...first, health: 'healthy' }] : list;
}

function twiceAtTimes<T>(dice: Dice, list: T[]): T[] {
  return dice.chance(3) ? [...list, ...list.slice(0, 1)] : list;
}

function anyTask(state: State, dice: Dice): Task | undefined {
  const tasks = [...state.tasks.values()].filter((task) => task.attempt > 0);
  return tasks.length === 0 ? undefined : dice.pick(tasks);
}

function randomRequest(dice: Dice): DeviceRequest {
  return dice.chance(50)
    ? { count: 1, shareMilli: dice.pick([300, 500, 800]) }
    : { count: dice.below(2) + 1 };
}

function randomAlternatives(dice: Dice): { readonly alternatives?: DeviceRequest[] } {
  return dice.chance(50) ? {} : { alternatives: [randomRequest(dice), randomRequest(dice)] };
}

function randomTerms(dice: Dice) {
  return terms({
    tasks: dice.below(45),
    holdNano: dice.pick([0n, 1n, 500n, 2_000_000n]),
    maxRateNano: dice.pick([0n, 1_500_000n, 10_000_000n]),
    maxAttempts: dice.below(3) + 1,
    providerLost: dice.below(3),
    queueTimeoutMs: dice.pick([5000, 600_000]),
    runTimeoutMs: dice.pick([5000, 600_000]),
    retryExitCodes: dice.pick([[], [1]]),
    needsRoot: dice.chance(5),
    providers: twiceAtTimes(dice, dice.pick([[], [], [provider]])),
    excludeProviders: twiceAtTimes(dice, dice.pick([[], [], [provider]])),
    backoffInitialMs: dice.pick([0, 1000]),
    ...(dice.chance(70) ? { image: dice.pick(['a', 'a', 'a', 'b']) } : {}),
    resources: {
      cpuMilli: dice.pick([500, 2000]),
      memoryBytes: gib,
      diskBytes: 0,
      shmBytes: 0,
      ...(dice.chance(40) ? { devices: randomRequest(dice), ...randomAlternatives(dice) } : {}),
    },
    ...(dice.chance(40) ? { interruptible: true } : {}),
    ...(dice.chance(30) ? { checkpoint: true } : {}),
    ...(dice.chance(50) ? { outputs: true } : {}),
    ...(dice.chance(5) ? { regions: ['eu-central'] } : {}),
    ...(dice.chance(5) ? { constraints: [{ key: 'tier', operator: 'in', values: ['gold'] }] as const } : {}),
  });
}

export function randomOffer(dice: Dice) {
  const ask = {
    cpuHourNano: dice.pick(['1', '1000000']),
    memoryGibHourNano: '0',
    diskGibHourNano: '0',
    deviceHourNano: '5',
  };
  const said = dice.pick([{}, { region: 'eu-central' }, { region: 'us-east', labels: { tier: 'gold' } }]);
  const discount = dice.pick([{}, { interruptibleDiscountPercent: 40 }]);
  const arch = dice.chance(20) ? { arch: 'arm64' } : {};
  return offer({
    slots: dice.below(4) + 1,
    devices: randomDevices(dice),
    ask,
    ...said,
    ...discount,
    ...arch,
  });
}

function report(state: State, dice: Dice, at: number): Command {
  const task = anyTask(state, dice);
  if (task === undefined) return { type: 'place', at };
  // Mostly the truth; sometimes another node, an older attempt or one that never was.
  const node = dice.chance(90) ? (task.node ?? nodeId(dice.below(6))) : nodeId(dice.below(6));
  const attempt = dice.chance(85) ? task.attempt : dice.below(task.attempt + 2);
  if (dice.chance(50))
    return { type: 'attempt.progress', at, node, task: task.id, attempt, stage: dice.pick(stages) };
  if (task.held !== undefined && dice.chance(40))
    return { type: 'attempt.resume_upload', at, task: task.id, attempt };
  if (task.state === 'uploading' && dice.chance(50)) {
    const cause = dice.pick(['account', 'store'] as const);
    const isFull = cause === 'store' && dice.chance(50);
    return { type: 'attempt.hold_upload', at, node, task: task.id, attempt, cause, isFull, sizeBytes: 7 };
  }
  const reason = dice.chance(60) ? 'completed' : dice.pick(reasons);
  const exitCode = dice.below(3);
  return {
    type: 'attempt.finish',
    at,
    node,
    task: task.id,
    attempt,
    reason,
    exitCode,
    ...(dice.chance(50) ? { imageRunsOn: ['arm64'] } : {}),
    receipt: hash,
    claimedRunMs: dice.below(20_000),
  };
}

function connect(state: State, dice: Dice, at: number): Command {
  const node = nodeId(dice.below(6));
  const occupied = [...(state.nodes.get(node)?.occupied.values() ?? [])];
  const held = occupied.filter(() => dice.chance(60)).map(({ attempt, task }) => ({ task, attempt }));
  if (dice.chance(10)) held.push({ task: `${jobId(9999)}.0` as TaskId, attempt: 1 });
  const owner = dice.pick([provider, other, consumer]);
  return {
    type: 'node.connect',
    at,
    node,
    provider: owner,
    offer: randomOffer(dice),
    accepting: dice.chance(90),
    held: twiceAtTimes(dice, held),
  };
}

function tick(state: State, dice: Dice, at: number): Command {
  const heard = new Map<NodeId, Contact>();
  for (const node of state.nodes.keys()) {
    if (!dice.chance(85)) continue;
    const lastAt = at - dice.below(20_000);
    heard.set(node, { lastAt, sinceAt: lastAt - dice.below(60_000) });
  }
  return { type: 'tick', at, heard, listeningSince: at - dice.below(200_000) };
}

/** Ids are never used again once their job has settled: the service draws them at random. */
function anyJob(state: State, dice: Dice): JobId {
  const live = [...state.jobs.keys()];
  return live.length > 0 && dice.chance(20) ? dice.pick(live) : jobId(state.jobSeq + 100);
}

function randomJobCommand(state: State, dice: Dice, at: number): Command {
  const live = [...state.jobs.keys()];
  const owner = dice.pick([consumer, other]);
  if (dice.chance(80) || live.length === 0) {
    return { type: 'job.submit', at, job: anyJob(state, dice), consumer: owner, terms: randomTerms(dice) };
  }
  return { type: 'job.cancel', at, job: dice.pick(live), consumer: owner };
}

function randomIsolation(state: State, dice: Dice, at: number): Command {
  const jobs = [...state.jobs.keys()];
  const job = jobs.length === 0 ? jobId(1) : dice.pick(jobs);
  const stops = dice.pick([['placement'], ['placement', 'commands'], ['placement', 'time']] as const);
  const isolation = { type: 'subject.isolate', at, stops, cause: 'place' } as const;
  if (dice.chance(30)) return { ...isolation, subject: job };
  const node = { ...isolation, subject: nodeId(dice.below(3)) };
  return dice.chance(50) ? { ...node, beside: job } : node;
}

function randomRareCommand(state: State, dice: Dice, at: number): Command {
  const node = nodeId(dice.below(6));
  const account = dice.pick([consumer, other, provider]);
  const ref = `r${dice.below(20)}`;
  const rules = { ...ruleset, assignTimeoutMs: 5000 + dice.below(9000) };
  const isolated = [...state.isolated.keys()];
  if (isolated.length > 0 && dice.chance(40))
    return { type: 'subject.reinstate', at, subject: dice.pick(isolated) };
  if (dice.chance(10)) return randomIsolation(state, dice, at);
  return dice.pick<Command>([
    { type: 'node.direct', at, node, to: dice.pick(['cordon', 'uncordon', 'uncordon', 'drain'] as const) },
    { type: 'node.change_offer', at, node, offer: randomOffer(dice), accepting: dice.chance(85) },
    { type: 'ruleset.change', at, ruleset: rules },
    { type: 'account.open', at, account },
    { type: 'account.credit', at, account, amountNano: BigInt(dice.below(1_000_000_000)), ref },
  ]);
}

/** An attempt with devices comes to run, or one that runs ruins them. */
function fallIll(state: State, dice: Dice, at: number): Command {
  const active = [...state.tasks.values()].filter(({ devices: given }) => given.length > 0);
  const running = active.filter(({ runningSince }) => runningSince > 0);
  const among = running.length > 0 ? running : active;
  const task = among.length === 0 ? undefined : dice.pick(among);
  const node = task?.node === undefined ? undefined : state.nodes.get(task.node);
  if (task === undefined || node === undefined) return { type: 'place', at };
  if (running.length === 0) {
    const { attempt, id } = task;
    return { type: 'attempt.progress', at, attempt, node: node.id, stage: 'running', task: id };
  }
  const ill = node.offer.devices.map((device) =>
    task.devices.includes(device.id) ? { ...device, health: 'quarantined' as const } : device,
  );
  const change = { offer: { ...node.offer, devices: ill }, accepting: node.accepting };
  return { type: 'node.change_offer', at, node: node.id, ...change };
}

function randomCommand(state: State, dice: Dice, at: number): Command {
  const roll = dice.below(100);
  if (roll < 45) return report(state, dice, at);
  if (roll < 60) return { type: 'place', at };
  if (roll < 72) return randomJobCommand(state, dice, at);
  if (roll < 80) return tick(state, dice, at);
  if (roll < 88) return connect(state, dice, at);
  if (roll < 94) return fallIll(state, dice, at);
  return randomRareCommand(state, dice, at);
}
