import type { SimulationResult, VariantResult, WaitFigures } from '../results.ts';
import { columns } from './columns.ts';
import { comparison } from './comparison.ts';
import { capa, count, percent, span, sparkline } from './phrases.ts';

/** Of a bar chart; what is longer is put together. */
const chartColumns = 36;

/** What a person reads: the first variant in full, and beside it what the others change. */
export function report(result: SimulationResult): string {
  const { durationMs, notes, scenario, seed, variants, warmUpMs } = result;
  const [first, ...others] = variants;
  if (first === undefined) return '';
  const nodes = first.groups.reduce((sum, group) => sum + group.nodes, 0);
  const warmUp = warmUpMs === 0 ? '' : ` after ${span(warmUpMs)} of warm-up`;
  const head = `${scenario}\n${span(durationMs)}${warmUp}, seed ${seed}, ${count(nodes)} nodes, ${count(first.tasksEnded)} tasks\n`;
  const sections = [
    ...(notes.length === 0 ? [] : [notes.map((note) => `note: ${note}\n`).join('')]),
    useSection(first, result.intervalMs),
    priceSection(first),
    waitSection(first),
    taskSection(first),
    moneySection(first),
    ...(others.length === 0 ? [] : [comparison(first, others)]),
    auditSection(variants),
  ];
  return `${head}\n${sections.join('\n')}`;
}

function useSection({ pools, series }: VariantResult, intervalMs: number): string {
  const rows = pools.map(({ name, offeredHours, utilisation }) => {
    const values = series.map((point) => point.utilisation[name] ?? null);
    const peak = values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0);
    const chart = sparkline(values, { low: 0, high: 1 }, chartColumns);
    return [name, count(offeredHours), percent(utilisation), percent(peak), chart];
  });
  return columns(['USE', 'hours offered', 'mean', 'peak', `each ${span(intervalMs)}, 0 to 100 %`], rows, [4]);
}

function priceSection({ pools, series }: VariantResult): string {
  const rows = pools
    .filter(({ paidHours }) => paidHours > 0)
    .map(({ name, paidHours, priceNano }) => {
      const values = series.map((point) => point.priceNano[name] ?? null);
      const known = values.filter((value) => value !== null);
      const low = Math.min(...known);
      const high = Math.max(...known);
      const chart = sparkline(values, { low, high }, chartColumns);
      return [name, count(paidHours), capa(priceNano ?? 0), capa(low), capa(high), chart];
    });
  return columns(['PRICE PAID', 'hours', 'CAPA/h', 'low', 'high', 'low to high'], rows, [5]);
}

function waitSection({ classes, wait }: VariantResult): string {
  const row = (name: string, { max, mean, p50, p95, p99, tasks }: WaitFigures): string[] => [
    name,
    count(tasks),
    ...[mean, p50, p95, p99, max].map(span),
  ];
  const rows = classes.map((each) => row(each.name, each.wait));
  if (rows.length > 1) rows.push(row('all', wait));
  return columns(['WAIT', 'tasks', 'mean', 'p50', 'p95', 'p99', 'longest'], rows);
}

function taskSection({ attempts, classes }: VariantResult): string {
  const rows = classes.map(({ expired, failed, name, refused, running, submitted, succeeded, waiting }) => [
    name,
    ...[submitted, succeeded, failed, expired, sumOf(refused), waiting, running].map(count),
  ]);
  const title = ['TASKS', 'submitted', 'succeeded', 'failed', 'expired', 'refused', 'waiting', 'running'];
  const causes = classes.flatMap(({ longestWaiting, name, reasons, refused, waiting }) => {
    const all = { ...reasons, ...refused };
    const waits =
      longestWaiting === null
        ? []
        : [
            `  ${name}: ${count(waiting)} wait, one for ${span(longestWaiting.ms)}. ${longestWaiting.message}\n`,
          ];
    return [...(sumOf(all) === 0 ? [] : [`  ${name}: ${listOf(all)}\n`]), ...waits];
  });
  return `${columns(title, rows)}${causes.join('')}  attempts: ${listOf(attempts)}\n`;
}

function moneySection({ chargedNano, feesNano, groups }: VariantResult): string {
  const rows = groups.map(({ earnedNano, name, nodes, perNodeDayNano, providers }) => [
    name,
    count(nodes),
    count(providers),
    capa(BigInt(earnedNano)),
    capa(perNodeDayNano),
  ]);
  const share = chargedNano === '0' ? 0 : Number(feesNano) / Number(chargedNano);
  rows.push(['fees', '', '', capa(BigInt(feesNano)), percent(share)]);
  rows.push(['paid by consumers', '', '', capa(BigInt(chargedNano)), '']);
  return columns(['EARNED', 'nodes', 'providers', 'CAPA', 'a node and day'], rows);
}

function auditSection(variants: readonly VariantResult[]): string {
  const rows = variants.map(({ events, name, stateHash }) => [name, count(events), stateHash]);
  return columns(['AUDITED, THE BOOKS SUM TO ZERO', 'events', 'state hash'], rows, [2]);
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, each) => sum + each, 0);
}

/** The most frequent first. */
function listOf(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return parts.length === 0 ? 'none' : parts.map(([name, each]) => `${name} ${count(each)}`).join(', ');
}
