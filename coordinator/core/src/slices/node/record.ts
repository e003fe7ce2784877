import { type MutableCapacity, noCapacity } from '@capacloud/protocol/capacity/capacity';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { AccountId, NodeId, TaskId } from '@capacloud/protocol/ids';
import type { Clocked } from '../../clock-wheel.ts';
import type { NodeStatus } from '../../contract/event.ts';
import type { Occupancy } from '../attempt/occupancy.ts';
import type { AskClass } from './ask-class.ts';
import type { OfferPool } from './offer-pool.ts';

/** An attempt that ended by its node's own fault. */
export interface Failure {
  readonly at: number;
  /** Of its job, as imageOf gives it. */
  readonly image: string;
  /** Of the endings that count on this node. */
  readonly nth: number;
}

/** Whose attempts had a device lately. */
export interface LastHeld {
  readonly device: string;
  readonly image: string;
  /** When the image last let go of it, and when another one did; 0: none that is known of. */
  readonly at: number;
  readonly otherAt: number;
}

/** How it went on a node lately. It changes by events alone; the lists are replaced, never changed. */
export interface Standing {
  /** Attempts that ended in success or by the node's own fault. */
  endings: number;
  /** Which of them was the last success. */
  lastGood: number;
  failures: readonly Failure[];
  /** When it fell silent, at most `maxSilences`. */
  silences: readonly number[];
  held: readonly LastHeld[];
  /** Gets nothing new before this time; 0: no pause. */
  restUntil: number;
}

export const maxSilences = 8;

/** What the log means for a node, as it is written to snapshots. */
export interface NodeTruth {
  readonly id: NodeId;
  provider: AccountId;
  status: NodeStatus;
  statusSince: number;
  /** Code of the cause of the present status. */
  cause: string;
  /** The operator's wish; it outlives silence. */
  directive: 'none' | 'cordon' | 'drain';
  offer: Offer;
  accepting: boolean;
  /** When the log last shows a word of the node itself; a tick knows later ones. */
  heardAt: number;
  /** By task: a node never holds two attempts of one task. */
  readonly occupied: Map<TaskId, Occupancy>;
  readonly standing: Standing;
  /** Something was paid for its work, under rules that ask. */
  isProven: boolean;
}

/** What else is known of it is derived. */
export interface NodeRecord extends NodeTruth, Clocked<NodeRecord> {
  /** It backs off, as far as the last event or look could tell. */
  isResting: boolean;
  isIsolated: boolean;
  /** How often a task has to be tried there until it succeeds, by what went wrong lately; 1 or more. */
  tries: number;
  /** What is left of its offer; below zero where the offer shrank below what runs. */
  free: MutableCapacity;
  /** Thousandths taken of each device, above 0. */
  readonly deviceUse: Map<string, number>;
  /** 0 (idle) to 1, the fullest of its dimensions. */
  load: number;
  askClass: AskClass | undefined;
  /** In the change feed; below 0 before it has one, and when it was forgotten. */
  row: number;
}

/** Between node.joined and the node.offered that follows it. */
export const emptyOffer: Offer = {
  allowRoot: false,
  arch: 'none',
  ask: { cpuHourNano: '0', deviceHourNano: '0', diskGibHourNano: '0', memoryGibHourNano: '0' },
  cpuMilli: 0,
  devices: [],
  diskBytes: 0,
  memoryBytes: 0,
  slots: 1,
};

export function newNode(id: NodeId, provider: NodeRecord['provider'], at: number): NodeRecord {
  return {
    id,
    provider,
    status: 'joining',
    statusSince: at,
    cause: 'connected',
    directive: 'none',
    offer: emptyOffer,
    accepting: false,
    heardAt: at,
    occupied: new Map(),
    isProven: false,
    standing: newStanding(),
    isResting: false,
    isIsolated: false,
    tries: 1,
    free: noCapacity(),
    deviceUse: new Map(),
    load: 1,
    askClass: undefined,
    row: -1,
    dueAt: 0,
    bucket: undefined,
    clockPrev: undefined,
    clockNext: undefined,
  };
}

export function newStanding(): Standing {
  return { endings: 0, lastGood: 0, failures: [], silences: [], held: [], restUntil: 0 };
}

export function changeOffer(offers: OfferPool, node: NodeRecord, offer: Offer): void {
  const before = node.offer;
  node.offer = offers.take(offer);
  offers.give(before);
}
