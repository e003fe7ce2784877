import { adviseSize } from '@capacloud/protocol/input/unit-hints';
import type { Problem } from '@capacloud/protocol/result';
import { parseDuration } from '@capacloud/protocol/units';

/** Adds to problems of the schema the unit in which a setting is written. */
export function withUnits(problems: readonly Problem[], file: Record<string, unknown>): readonly Problem[] {
  return problems.map((problem) => {
    const advice = adviceFor(problem.pointer, valueAt(file, problem.pointer));
    if (advice === undefined) return problem;
    // Quotes alone would not help.
    return { ...problem, message: `${problem.message.replace('; put quotes around it', '')}; ${advice}` };
  });
}

function adviceFor(pointer: string, value: unknown): string | undefined {
  const isText = typeof value === 'string';
  if (typeof value === 'number' && pointer.startsWith('/artifacts/')) return adviseSize(String(value));
  if (typeof value === 'number' && amounts.has(pointer)) return `it is text: write "${value}" in quotes`;
  if (pointer.startsWith('/rules/') && pointer.endsWith('_ms'))
    return `it is a number of milliseconds${isText ? example(value, 1) : ''}`;
  if (pointer === '/log_days') return `it is a number of days${isText ? example(value, 86_400_000) : ''}`;
  if (pointer === '/rules/fee_basis_points') return 'it is in hundredths of a percent: write 500 for 5 %';
  return undefined;
}

const amounts = new Set(['/usd_per_capa', '/default_max_rate']);

/** `10s` in milliseconds is 10000. */
function example(text: string, unitMs: number): string {
  const durationMs = parseDuration(text);
  if (durationMs === undefined || durationMs < unitMs || durationMs % unitMs !== 0) return ' without a unit';
  return `: write ${durationMs / unitMs} for ${text}`;
}

function valueAt(file: unknown, pointer: string): unknown {
  let value = file;
  for (const key of pointer.split('/').slice(1)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}
