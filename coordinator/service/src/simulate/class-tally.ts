import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import { Quantiles } from './quantiles.ts';
import type { ClassResult, Leftovers, WaitFigures } from './results.ts';

/** What happened to the jobs of one class while it was measured. */
export class ClassTally {
  readonly waits = new Quantiles();
  readonly turnarounds = new Quantiles();
  readonly #refused: Record<string, number> = {};
  readonly #reasons: Partial<Record<TaskReason, number>> = {};
  submitted = 0;
  succeeded = 0;
  failed = 0;
  expired = 0;
  chargedNano = 0n;

  refuse(code: string, tasks: number): void {
    this.#refused[code] = (this.#refused[code] ?? 0) + tasks;
  }

  blame(reason: TaskReason): void {
    this.#reasons[reason] = (this.#reasons[reason] ?? 0) + 1;
  }

  result(name: string, left: Leftovers): ClassResult {
    const { chargedNano, expired, failed, submitted, succeeded, turnarounds, waits } = this;
    return {
      name,
      submitted,
      refused: this.#refused,
      succeeded,
      failed,
      expired,
      reasons: this.#reasons,
      ...left,
      wait: figuresOf(waits),
      turnaround: figuresOf(turnarounds),
      chargedNano: `${chargedNano}`,
    };
  }
}

export function figuresOf(quantiles: Quantiles): WaitFigures {
  return {
    tasks: quantiles.count,
    mean: Math.round(quantiles.meanMs),
    p50: quantiles.at(0.5),
    p95: quantiles.at(0.95),
    p99: quantiles.at(0.99),
    max: quantiles.maxMs,
  };
}
