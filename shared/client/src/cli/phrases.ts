import { type DimensionRow, rowOfShortage } from '@capacloud/protocol/capacity/dimensions';
import { alternativesOf, type Resources } from '@capacloud/protocol/capacity/resources';
import { readRequestedModel } from '@capacloud/protocol/job/device-classes';
import type { JobStateName, TaskStateName } from '@capacloud/protocol/routes/states';
import type { TaskView } from '@capacloud/protocol/routes/views';
import { formatNano } from '@capacloud/protocol/units';
import { skippedReasons } from '@capacloud/protocol/wire/outputs';
import type { Output } from './terminal.ts';

/** A stranger's text made fit for a terminal: no control characters, nothing that reorders what stands there. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '�');
}

/** `1.5 GiB`, `312 B`: for people; three digits are enough. */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${String(Number(value.toFixed(digits)))} ${units[unit] ?? ''}`;
}

/** The two largest units: `1m 12s`, `3h 5m`, `2d 4h`; `0.4s` below a second. */
export function durationText(durationMs: number): string {
  const total = Math.max(0, durationMs);
  if (total < 1000) return `${Math.floor(total / 100) / 10}s`;
  const seconds = Math.floor(total / 1000);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}

/** `just now`, `5m ago`, `2d ago`. */
export function agoText(time: string, nowMs: number): string {
  const elapsedMs = nowMs - Date.parse(time);
  if (elapsedMs < 2000) return 'just now';
  return `${durationText(elapsedMs).split(' ')[0] ?? ''} ago`;
}

/** `2 × a100, else 4 × rtx-4090`: the GPUs of a task, what is wanted most first; undefined where none is asked for. */
export function gpuText(resources: Resources): string | undefined {
  if (resources.devices === undefined) return undefined;
  const requests = alternativesOf(resources).flatMap(({ devices }) => devices ?? []);
  return plain(
    requests
      .map(
        ({ count, models, shareMilli, vendor }) =>
          `${shareMilli === undefined ? count : shareMilli / 1000} × ${models?.map((each) => readRequestedModel(each).model).join(' or ') ?? vendor ?? 'any'}`,
      )
      .join(', else '),
  );
}

export function capaText(amountNano: string): string {
  return `${formatNano(BigInt(amountNano))} CAPA`;
}

/** Amounts with their decimal points in one column. */
export function capaColumn(amountsNano: readonly string[]): readonly string[] {
  return decimalColumn(amountsNano.map((amount) => formatNano(BigInt(amount))));
}

/** Decimal numbers with their points in one column. */
export function decimalColumn(texts: readonly string[]): readonly string[] {
  const decimals = Math.max(0, ...texts.map((text) => (text.split('.')[1] ?? '').length));
  return texts.map((text) => {
    const [whole = '', fraction = ''] = text.split('.');
    return decimals === 0 ? whole : `${whole}.${fraction.padEnd(decimals, '0')}`;
  });
}

/** An estimate to three digits: more would promise what it does not hold. */
export function roughText(decimal: string): string {
  const value = Number(Number(decimal).toPrecision(3));
  return value < 1e-6 || value >= 1e15 ? decimal : value.toFixed(9).replace(/\.?0+$/, '');
}

/** In the unit of the dimension: processors, a size, or a number. */
export function amountText(amount: number, { unit }: Pick<DimensionRow, 'unit'>): string {
  switch (unit) {
    case 'milli':
      return String(amount / 1000);
    case 'bytes':
      return sizeText(amount);
    case 'count':
      return String(amount);
  }
}

export function resourcesText(resources: Resources): string {
  return Object.values(rowOfShortage)
    .map((row) => `${amountText(row.taken(resources), row)} ${row.noun}`)
    .join(', ');
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

type StateName = JobStateName | TaskStateName;

/** A state in its colour, with a sign for those who do not tell colours apart; the bare word where it is data. */
export function stateText(output: Output, state: StateName): string {
  return `${stateSign(output, state)}${output.paint(toneOf(state), state)}`;
}

export function stateSign(output: Output, state: StateName): string {
  return output.isTty ? `${output.paint(toneOf(state), signOf(state))} ` : '';
}

function toneOf(state: StateName) {
  switch (state) {
    case 'succeeded':
      return 'green';
    case 'failed':
      return 'red';
    case 'expired':
      return 'yellow';
    case 'running':
      return 'cyan';
    case 'assigned':
    case 'pulling':
    case 'starting':
    case 'uploading':
    case 'verifying':
      return 'blue';
    case 'queued':
    case 'cancelled':
      return 'dim';
  }
}

function signOf(state: StateName): string {
  switch (state) {
    case 'succeeded':
      return '✓';
    case 'failed':
    case 'expired':
      return '✗';
    case 'cancelled':
      return '–';
    case 'queued':
      return '○';
    case 'running':
    case 'assigned':
    case 'pulling':
    case 'starting':
    case 'uploading':
    case 'verifying':
      return '●';
  }
}

/** Sentences about the outputs of a task that its files do not tell. */
export function outputNotes({ outputs_attempt, skipped, state }: TaskView): readonly string[] {
  const notes: string[] = [];
  if (outputs_attempt !== undefined)
    notes.push(`it ${state}; these outputs are what its attempt ${outputs_attempt} left, as far as they go.`);
  if (skipped === undefined) return notes;
  notes.push(`${plural(skipped.total, 'output')} could not be kept:`);
  for (const { path, why } of skipped.first)
    notes.push(`  ${plain(path)} ${Object.hasOwn(skippedReasons, why) ? skippedReasons[why] : why}`);
  const more = skipped.total - skipped.first.length;
  if (more > 0) notes.push(`  and ${more} more`);
  return notes;
}
