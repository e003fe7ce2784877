import type { Isolation, Subject } from './contract/subject.ts';
import type { Occupancy } from './slices/attempt/occupancy.ts';
import type { Account, HouseBalances, ImageRecord, Job, NodeRecord, Standing, State, Task } from './state.ts';

/** What a snapshot holds. Amounts are decimal strings; a task as its job made it is left out; what is derived is not here. */
export interface Snapshot {
  readonly accounts: readonly AccountText[];
  readonly house: Readonly<Record<keyof HouseBalances, string>>;
  /** These two are left out where there are none, as in snapshots of older releases. */
  readonly imageLosses?: readonly (readonly [image: string, nodes: readonly NodeRecord['id'][]])[];
  readonly images?: readonly (readonly [image: string, record: ImageRecord])[];
  /** Left out where nothing is. */
  readonly isolated?: readonly (readonly [subject: Subject, isolation: Isolation])[];
  readonly jobSeq: number;
  readonly jobs: readonly JobText[];
  readonly nodes: readonly NodeText[];
  readonly origin: string;
  readonly ruleset: State['ruleset'];
  readonly version: 1;
}
export interface AccountText {
  readonly availableNano: string;
  readonly credits: readonly (readonly [ref: string, amountNano: string])[];
  readonly id: Account['id'];
  /** Absent where nothing is owed, and in snapshots of older releases. */
  readonly stopsOwed?: number;
}
type OccupancyText = readonly [
  task: Task['id'],
  job: Job['id'],
  attempt: number,
  devices: readonly string[],
  /** Absent for the first. */
  alternative?: number,
  /** Absent where it takes more of the node than disk. */
  isHeld?: true,
];
export type NodeText = Pick<
  NodeRecord,
  'accepting' | 'cause' | 'directive' | 'heardAt' | 'id' | 'offer' | 'provider' | 'status' | 'statusSince'
> & {
  readonly occupied: readonly OccupancyText[];
  /** Absent where nothing was paid for its work, and in snapshots of older releases. */
  readonly proven?: true;
  readonly standing?: Standing;
};
export type TaskText = Pick<
  Task,
  | 'assignedAt'
  | 'attempt'
  | 'avoid'
  | 'devices'
  | 'freeRequeues'
  | 'hold'
  | 'index'
  | 'node'
  | 'notBefore'
  | 'ownErrors'
  | 'provider'
  | 'providerLosses'
  | 'reason'
  | 'runningSince'
  | 'stageSince'
  | 'state'
> & {
  readonly rateNano: string;
  readonly alternative: number | undefined;
  readonly interruptible: true | undefined;
  readonly heldAt: number | undefined;
  readonly holds: number | undefined;
  readonly held: Task['held'];
};
/** In the order of its keys, around the tasks. */
export interface JobHead {
  readonly cancelled: boolean;
  readonly consumer: Job['consumer'];
  readonly id: Job['id'];
  readonly seq: number;
  readonly submittedAt: number;
}
type TermsText = Omit<Job['terms'], 'holdNano' | 'maxRateNano'> & {
  readonly holdNano: string;
  readonly maxRateNano: string;
};
export interface JobText extends JobHead {
  readonly tasks: readonly TaskText[];
  readonly terms: TermsText;
}

export function accountText({ availableNano, credits, id, stopsOwed }: Account): AccountText {
  const grants = Array.from(credits, ([ref, amountNano]) => [ref, `${amountNano}`] as const);
  const text = { availableNano: `${availableNano}`, credits: grants, id };
  return stopsOwed === 0 ? text : { ...text, stopsOwed };
}

export function houseText(house: HouseBalances): Snapshot['house'] {
  const { custody, emission, fees, holds, penalties } = house;
  return {
    custody: `${custody}`,
    emission: `${emission}`,
    fees: `${fees}`,
    holds: `${holds}`,
    penalties: `${penalties}`,
  };
}

export function nodeText(node: NodeRecord): NodeText {
  const { accepting, cause, directive, heardAt, id, offer, provider, status, statusSince } = node;
  // In the order of assignment: decisions that walk a node's attempts follow it.
  const occupied = Array.from(
    node.occupied.values(),
    ({ alternative, attempt, devices, isHeld, job, task }: Occupancy): OccupancyText => {
      if (isHeld === true) return [task, job, attempt, devices, alternative, isHeld];
      // guard: remember the alternative over a restart
      return alternative === 0 ? [task, job, attempt, devices] : [task, job, attempt, devices, alternative];
    },
  );
  const standing = standingText(node);
  return {
    accepting,
    cause,
    directive,
    heardAt,
    id,
    occupied,
    offer,
    ...(node.isProven ? { proven: true } : {}),
    provider,
    ...(standing === undefined ? {} : { standing }),
    status,
    statusSince,
  };
}

/** Undefined for a node of which there is nothing to tell. */
function standingText({ standing }: NodeRecord): Standing | undefined {
  const { endings, failures, held, lastGood, restUntil, silences } = standing;
  if (endings === 0 && held.length === 0 && silences.length === 0) return undefined;
  return { endings, failures, held, lastGood, restUntil, silences };
}

/** Of what is known about images, and of what is isolated, as it is now. */
export function notesText({
  images,
  isolated,
  losses,
}: State): Pick<Snapshot, 'imageLosses' | 'images' | 'isolated'> {
  return {
    ...(isolated.size === 0 ? {} : { isolated: [...isolated] }),
    ...(losses.size === 0 ? {} : { imageLosses: [...losses] }),
    ...(images.size === 0 ? {} : { images: [...images] }),
  };
}

export function isUntouched(task: Task): boolean {
  return task.state === 'queued' && task.attempt === 0;
}

/** Keys in order: then canonical JSON is the engine's own. */
export function taskText(task: Task): TaskText {
  return {
    // Left out for the first, as before there were others.
    alternative: task.alternative === 0 ? undefined : task.alternative,
    assignedAt: task.assignedAt,
    attempt: task.attempt,
    avoid: task.avoid,
    devices: task.devices,
    freeRequeues: task.freeRequeues,
    held: task.held,
    heldAt: task.heldAt === 0 ? undefined : task.heldAt,
    hold: task.hold,
    holds: task.holds === 0 ? undefined : task.holds,
    index: task.index,
    interruptible: task.interruptible ? true : undefined,
    node: task.node,
    notBefore: task.notBefore,
    ownErrors: task.ownErrors,
    provider: task.provider,
    providerLosses: task.providerLosses,
    rateNano: `${task.rateNano}`,
    reason: task.reason,
    runningSince: task.runningSince,
    stageSince: task.stageSince,
    state: task.state,
  };
}

// guard: remember over a restart what the image is not made for
export function termsText({ holdNano, maxRateNano, ...rest }: Job['terms']): TermsText {
  return { ...rest, holdNano: `${holdNano}`, maxRateNano: `${maxRateNano}` };
}
