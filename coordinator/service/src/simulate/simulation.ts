import { checkInvariants } from '@capacloud/core/invariants';
import type { NodeId } from '@capacloud/protocol/ids';
import { stateDigest } from '../state-digest.ts';
import { Agenda } from './agenda.ts';
import { Arrivals } from './arrivals.ts';
import { figuresOf } from './class-tally.ts';
import { CoreDriver } from './core-driver.ts';
import { Fleet } from './fleet.ts';
import { leftoversOf } from './leftovers.ts';
import { Measures } from './measures.ts';
import type { SimulationResult, VariantResult } from './results.ts';
import type { Scenario, Variant } from './scenario/scenario.ts';
import { Series } from './series.ts';
import type { NodeContact } from './simulated-node.ts';
import { Usage } from './usage.ts';

/** Midnight, the beginning of Monday, 5 January 2026: where a curve over the hours of a day begins. */
const startAt = Date.UTC(2026, 0, 5);

/** How far a variant has come. */
export interface Progress {
  readonly variant: string;
  /** 0 to 1, of the simulated time. */
  readonly part: number;
  readonly tasksEnded: number;
}

/** Simulates each variant from the beginning, with the same draws. Throws InvariantError where the core is wrong. */
export function simulate(scenario: Scenario, progressed: (progress: Progress) => void): SimulationResult {
  const { durationMs, intervalMs, name, notes, seed, warmUpMs } = scenario;
  return {
    scenario: name,
    seed,
    durationMs,
    warmUpMs,
    intervalMs,
    notes,
    variants: scenario.variants.map((variant) => new Simulation(scenario, variant).run(progressed)),
  };
}

/** One variant, from the opening of its log to the audit of its books. */
class Simulation {
  readonly #scenario: Scenario;
  readonly #variant: Variant;
  readonly #fromAt: number;
  readonly #agenda = new Agenda();
  readonly #contacts = new Map<NodeId, NodeContact>();
  readonly #core = new CoreDriver(startAt, this.#contacts);
  readonly #measures: Measures;
  readonly #arrivals: Arrivals;
  readonly #fleet: Fleet;
  readonly #series: Series;

  constructor(scenario: Scenario, variant: Variant) {
    const agenda = this.#agenda;
    const core = this.#core;
    const { seed } = scenario;
    this.#scenario = scenario;
    this.#variant = variant;
    this.#fromAt = startAt + scenario.warmUpMs;
    this.#measures = new Measures({
      classes: variant.jobs.length,
      fromAt: this.#fromAt,
      classOf: (job) => this.#arrivals.job(job)?.classIndex,
    });
    this.#arrivals = new Arrivals({
      seed,
      classes: variant.jobs,
      agenda,
      core,
      refused: (index, code, tasks) => this.#measures.refused(index, core.now, code, tasks),
    });
    this.#fleet = new Fleet({
      seed,
      groups: variant.nodes,
      agenda,
      core,
      arrivals: this.#arrivals,
      contacts: this.#contacts,
    });
    const usage = new Usage(startAt);
    for (const listener of [usage, this.#measures, this.#fleet, this.#arrivals]) core.listen(listener);
    this.#series = new Series({
      state: core.state,
      usage,
      measures: this.#measures,
      groups: variant.nodes,
      fromAt: this.#fromAt,
    });
  }

  run(progressed: (progress: Progress) => void): VariantResult {
    const { durationMs, intervalMs, seed, warmUpMs } = this.#scenario;
    const { name } = this.#variant;
    // The network is as large as its scenario says, from the start.
    const ruleset = { ...this.#variant.ruleset, maxUnprovenNodes: Number.MAX_SAFE_INTEGER };
    const tell = (at: number): void => {
      const part = (at - startAt) / (warmUpMs + durationMs);
      progressed({ variant: name, part, tasksEnded: this.#measures.tasksEnded });
    };
    this.#core.must({ type: 'log.open', at: startAt, origin: `simulation/${seed}`, ruleset });
    this.#fleet.start();
    this.#arrivals.start();
    this.#advance(this.#fromAt);
    this.#series.begin(this.#fromAt);
    const endAt = this.#fromAt + durationMs;
    for (let at = this.#fromAt; at < endAt; ) {
      at = Math.min(at + intervalMs, endAt);
      this.#advance(at);
      this.#series.close(at);
      tell(at);
    }
    checkInvariants(this.#core.state);
    return this.#result();
  }

  /** Lets everything happen that comes before that time. */
  #advance(until: number): void {
    const agenda = this.#agenda;
    const core = this.#core;
    for (;;) {
      const at = Math.min(agenda.nextAt, core.nextTickAt);
      if (at >= until) break;
      const isTick = at === core.nextTickAt;
      core.moveTo(at);
      agenda.actUntil(at);
      if (isTick) core.tick();
      core.placeWhatWaits();
    }
    core.moveTo(until);
  }

  #result(): VariantResult {
    const measures = this.#measures;
    const { state } = this.#core;
    const left = leftoversOf(
      this.#core,
      this.#core.now,
      this.#variant.jobs.length,
      (job) => this.#arrivals.job(job)?.classIndex,
    );
    const groups = this.#series.groups(this.#scenario.durationMs);
    const { feesNano } = this.#series;
    const chargedNano = groups.reduce((sum, { earnedNano }) => sum + BigInt(earnedNano), feesNano);
    return {
      name: this.#variant.name,
      classes: this.#variant.jobs.map(({ name }, index) => {
        const [tally, rest] = [measures.tallies[index], left[index]];
        if (tally === undefined || rest === undefined) throw new Error(`${name} was not counted`);
        return tally.result(name, rest);
      }),
      pools: this.#series.pools(),
      groups,
      feesNano: `${feesNano}`,
      chargedNano: `${chargedNano}`,
      attempts: measures.attempts,
      series: this.#series.points,
      wait: figuresOf(measures.waits),
      tasksEnded: measures.tasksEnded,
      events: this.#core.events,
      stateHash: stateDigest(state),
    };
  }
}
