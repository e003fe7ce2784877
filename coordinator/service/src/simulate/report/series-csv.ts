import type { SeriesPoint, SimulationResult } from '../results.ts';

const msPerHour = 3_600_000;
const nanoPerCapa = 1e9;

/** One line an interval, variant and figure: what spreadsheets and data frames take as it is. */
export function seriesCsv({ variants }: SimulationResult): string {
  const lines = variants.flatMap(({ name, series }) =>
    series.flatMap((point) =>
      figuresOf(point).map(([figure, of, value]) =>
        [quoted(name), `${point.untilMs / msPerHour}`, figure, of, value === null ? '' : `${value}`].join(
          ',',
        ),
      ),
    ),
  );
  return `${['variant,hours,figure,of,value', ...lines].join('\n')}\n`;
}

function figuresOf(point: SeriesPoint): readonly (readonly [string, string, number | null])[] {
  const { earnedNano, feesNano, priceNano, running, succeeded, utilisation, waiting } = point;
  const capa = (nano: string | number | null): number | null =>
    nano === null ? null : Number(nano) / nanoPerCapa;
  return [
    ...Object.entries(utilisation).map(([name, part]) => ['utilisation', name, part] as const),
    ...Object.entries(priceNano).map(([name, nano]) => ['price_capa_hour', name, capa(nano)] as const),
    ...Object.entries(earnedNano).map(([name, nano]) => ['earned_capa', name, capa(nano)] as const),
    ['fees_capa', '', capa(feesNano)],
    ['tasks_waiting', '', waiting],
    ['tasks_running', '', running],
    ['tasks_succeeded', '', succeeded],
  ];
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
