import type { SeedRun, ShrunkRun } from './messages.ts';

const number = new Intl.NumberFormat('en');

/** Adds up what the runs of many seeds were. */
export class SimTotals {
  seeds = 0;
  events = 0;
  cpuMs = 0;
  simulatedMs = 0;
  longestSettlingMs = 0;
  coordinatorStarts = 0;
  sampled = 0;
  differing = 0;
  readonly faults = new Map<string, number>();
  readonly outcomes = new Map<string, number>();
  readonly failures: SeedRun[] = [];
  readonly differingSeeds: number[] = [];

  add(run: SeedRun): void {
    const { result, cpuMs, isSame } = run;
    this.seeds += 1;
    this.events += result.events;
    this.cpuMs += cpuMs;
    this.simulatedMs += result.simulatedMs;
    this.coordinatorStarts += result.coordinatorStarts;
    addTo(this.faults, result.faults);
    addTo(this.outcomes, result.summary);
    if (result.failure === undefined)
      this.longestSettlingMs = Math.max(this.longestSettlingMs, result.settledMs);
    else this.failures.push(run);
    if (isSame === undefined) return;
    this.sampled += 1;
    if (isSame) return;
    this.differing += 1;
    this.differingSeeds.push(result.seed);
  }

  get eventsPerSecond(): number {
    return this.events / (this.cpuMs / 1000);
  }
}

function addTo(totals: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) totals.set(name, (totals.get(name) ?? 0) + count);
}

/** The table that a run ends with. */
export function formatTotals(totals: SimTotals, wallMs: number): string {
  const rows: [string, string][] = [
    ['seeds', number.format(totals.seeds)],
    ['events', number.format(totals.events)],
    ['events/s a core', number.format(Math.round(totals.eventsPerSecond))],
    ['wall time', `${(wallMs / 1000).toFixed(1)} s`],
    ['simulated time', `${(totals.simulatedMs / 3_600_000).toFixed(1)} h`],
    ['longest settling', `${(totals.longestSettlingMs / 1000).toFixed(0)} s after healing`],
    ['starts of the coordinator', number.format(totals.coordinatorStarts)],
    ['', ''],
    ...section('tasks', totals.outcomes, ['succeeded', 'failed', 'cancelled', 'expired']),
    ...section('audited', totals.outcomes, ['observations', 'entries', 'jobs', 'pays']),
    ['', ''],
    ...[...totals.faults]
      .sort((a, b) => b[1] - a[1])
      .map(([kind, count]): [string, string] => [kind, number.format(count)]),
    ['', ''],
    ['run twice', `${totals.sampled} seeds, ${totals.differing} non-deterministic`],
    ['failures', `${totals.failures.length}`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return `${rows.map(([name, value]) => (name === '' ? '' : `  ${name.padEnd(width)}  ${value}`)).join('\n')}\n`;
}

function section(
  title: string,
  counts: ReadonlyMap<string, number>,
  names: readonly string[],
): [string, string][] {
  return [[title, names.map((name) => `${number.format(counts.get(name) ?? 0)} ${name}`).join(', ')]];
}

export function formatFailure({ result }: SeedRun): string {
  const { failure, seed } = result;
  if (failure === undefined) return '';
  const isKnown = failure.detail.startsWith(failure.rule);
  return [
    `seed ${seed} broke ${isKnown ? failure.detail : `${failure.rule}: ${failure.detail}`}`,
    `  replay it with: npm run sim -- --seed ${seed}`,
  ].join('\n');
}

export function formatShrunk({ plan, tries, result }: ShrunkRun): string {
  const faults = Object.entries(plan.faults).map(([kind, strength]) => `${kind} ${strength.toFixed(2)}`);
  return [
    `  the smallest failing plan of ${tries}: ${plan.machines.length} machines, ${plan.jobs.length} jobs, ` +
      `${(plan.activeMs / 1000).toFixed(0)} s, faults: ${faults.length === 0 ? 'none' : faults.join(', ')}`,
    `  ${result.failure?.detail ?? ''}`,
    '  its last events:',
    ...result.trace.map((line) => `  ${line}`),
    ...(result.failure?.stack === undefined ? [] : ['', result.failure.stack]),
  ].join('\n');
}
