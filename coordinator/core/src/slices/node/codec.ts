import type { NodeId } from '@capacloud/protocol/ids';
import { mustGet } from '../../assert.ts';
import { type JsonRecord, type Kind, named, nested, plain, unless } from '../../codec/kinds.ts';
import { RecordCodec } from '../../codec/record-codec.ts';
import { CapturedRecords, type Section } from '../../codec/section.ts';
import { withoutDoubles } from '../../contract/doubled.ts';
import type { Event } from '../../contract/event.ts';
import type { State } from '../../state.ts';
import type { Occupancy } from '../attempt/occupancy.ts';
import { recount, restore } from './capacity.ts';
import type { NodeTruth, Standing } from './record.ts';
import { changeOffer, newNode, newStanding } from './record.ts';
import { imageOf, isBlamedFor, review } from './standing.ts';

type OccupancyText = readonly [
  task: Occupancy['task'],
  job: Occupancy['job'],
  attempt: number,
  devices: readonly string[],
  /** Absent for the first. */
  alternative?: number,
  /** Absent where it takes more of the node than disk. */
  isHeld?: true,
];

function occupancyText({ alternative, attempt, devices, isHeld, job, task }: Occupancy): OccupancyText {
  if (isHeld === true) return [task, job, attempt, devices, alternative, isHeld];
  // guard: remember the alternative over a restart
  return alternative === 0 ? [task, job, attempt, devices] : [task, job, attempt, devices, alternative];
}

/** In the order of assignment: decisions that walk a node's attempts follow it. */
const occupied: Kind<NodeTruth['occupied']> = {
  text: (occupancies) => Array.from(occupancies.values(), occupancyText),
  value: (text) =>
    new Map(
      (text as readonly OccupancyText[]).map(([task, job, attempt, devices, alternative = 0, isHeld]) => {
        const occupancy = { task, job, attempt, devices, alternative };
        return [task, isHeld === true ? { ...occupancy, isHeld } : occupancy];
      }),
    ),
  copy: (occupancies) => new Map(occupancies),
};

const standingRecord = nested<Standing>({
  endings: plain(),
  lastGood: plain(),
  failures: plain(),
  silences: plain(),
  held: plain(),
  restUntil: plain(),
});

/** Left out for a node of which there is nothing to tell. */
const standing: Kind<Standing> = {
  ...standingRecord,
  text: (record) => {
    const { endings, held, silences } = record;
    if (endings === 0 && held.length === 0 && silences.length === 0) return undefined;
    return standingRecord.text(record);
  },
  // guard: remember failures over a restart
  value: (text) => (text === undefined ? newStanding() : standingRecord.value(text)),
};

const nodeCodec = new RecordCodec<NodeTruth>({
  id: plain(),
  provider: plain(),
  status: plain(),
  statusSince: plain(),
  cause: plain(),
  directive: plain(),
  offer: plain(),
  accepting: plain(),
  heardAt: plain(),
  occupied,
  standing,
  isProven: named('proven', unless(false)),
});

/** The jobs are there already. */
export function restoreNodes(state: State, texts: readonly JsonRecord[]): void {
  for (const text of texts) restoreNode(state, nodeCodec.read(text));
}

function restoreNode(state: State, truth: NodeTruth): void {
  const { occupied: occupancies, offer, ...rest } = truth;
  const node = Object.assign(newNode(truth.id, truth.provider, truth.statusSince), rest);
  node.isIsolated = state.isolated.has(node.id);
  if (!node.isProven) state.unproven.add(node);
  changeOffer(state.offers, node, withoutDoubles(offer));
  state.nodes.set(node.id, node);
  for (const occupancy of occupancies.values())
    restore(state, node, mustGet(state.jobs, occupancy.job, 'job'), occupancy);
  recount(state, node);
  // What of it is over only the next command or event can tell.
  review(state, node, 0);
}

export class NodeSection implements Section {
  readonly key = 'nodes';
  readonly #state: State;
  readonly #records: CapturedRecords<NodeTruth>;

  constructor(state: State) {
    this.#state = state;
    this.#records = new CapturedRecords<NodeTruth>(nodeCodec, [...state.nodes.values()]);
  }

  keep(event: Event): void {
    const { jobs, losses, nodes, tasks } = this.#state;
    switch (event.type) {
      case 'node.offered':
      case 'node.status_changed':
      case 'node.forgotten':
      case 'attempt.assigned':
      case 'attempt.released':
        return this.#keep(event.node);
      case 'upload.held':
        return this.#keep(mustGet(tasks, event.task, 'task').node);
      case 'attempt.ended': {
        const task = mustGet(tasks, event.task, 'task');
        this.#keep(task.node);
        // Its end may clear these of what its image did there.
        for (const id of losses.get(imageOf(mustGet(jobs, task.job, 'job'))) ?? []) this.#keep(id);
        return;
      }
      case 'image.poisoned':
        for (const node of nodes.values()) if (isBlamedFor(node, event.image)) this.#records.keep(node);
        return;
      // They add nodes after these, or are about something else.
      case 'log.opened':
      case 'ruleset.changed':
      case 'account.opened':
      case 'account.credited':
      case 'node.joined':
      case 'job.submitted':
      case 'job.cancelled':
      case 'job.settled':
      case 'task.ended':
      case 'attempt.progressed':
      case 'upload.resumed':
      case 'subject.isolated':
      case 'subject.reinstated':
        return;
    }
  }

  #keep(id: NodeId | undefined): void {
    if (id !== undefined) this.#records.keep(this.#state.nodes.get(id));
  }

  pieces: Section['pieces'] = (layout) => this.#records.pieces(layout);
}
