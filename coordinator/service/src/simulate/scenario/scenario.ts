import type { JobTerms } from '@capacloud/core/contract/command';
import type { Ruleset } from '@capacloud/core/contract/ruleset';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { Distribution } from '../draws.ts';

/** What is simulated: the same length of time for each variant, with the same draws. */
export interface Scenario {
  readonly name: string;
  readonly seed: number;
  /** Of what is measured; it begins when the warm-up is over. */
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly intervalMs: number;
  /** The first is the scenario itself. */
  readonly variants: readonly Variant[];
  /** What a reader should know of what was read. */
  readonly notes: readonly string[];
}

export interface Variant {
  readonly name: string;
  readonly ruleset: Ruleset;
  readonly nodes: readonly NodeGroup[];
  readonly jobs: readonly JobClass[];
}

export interface NodeGroup {
  readonly name: string;
  /** One a node, with device ids that are numbered on the node. */
  readonly offers: readonly Offer[];
  readonly providers: number;
  /** Prices of a node are drawn between this much below and above the ask. */
  readonly askSpread: number;
  readonly joinsAfterMs: number;
  readonly joinsOverMs: number;
  readonly availability: Availability | undefined;
  /** Part of its attempts that end by a fault of the node. */
  readonly failureRate: number;
}

export interface Availability {
  readonly upMs: number;
  readonly downMs: number;
  /** `machine`: what runs is gone. `network`: it runs on, as long as its lease lasts. */
  readonly fault: 'machine' | 'network';
}

/** What one job of a class is like. */
export interface JobShape {
  readonly terms: JobTerms;
  /** As traced; undefined where it is drawn. */
  readonly runMs: number | undefined;
}

export type Arrivals =
  /** At random, with a mean an hour that follows the hours of the day by factors of mean 1. */
  | { readonly kind: 'random'; readonly perHour: number; readonly daily: readonly number[] | undefined }
  /** One of each shape, at these milliseconds from the start, rising. */
  | { readonly kind: 'traced'; readonly atMs: readonly number[] };

export interface JobClass {
  readonly name: string;
  readonly shapes: readonly JobShape[];
  readonly arrivals: Arrivals;
  /** Undefined where the shapes know. */
  readonly runs: Distribution | undefined;
  /** From the assignment until it runs. */
  readonly setup: Distribution | undefined;
  readonly failureRate: number;
  readonly consumers: number;
  /** What each consumer is given at the start. */
  readonly budgetNano: bigint;
}
