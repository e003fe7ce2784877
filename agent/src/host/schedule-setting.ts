import type { Ask } from '@capacloud/protocol/capacity/resources';
import { AskSchema } from '@capacloud/protocol/capacity/resources-schema';
import { nearest } from '@capacloud/protocol/input/nearest';
import type { Problem } from '@capacloud/protocol/result';
import Type from 'typebox';
import { type AskPeriod, type Weekday, weekdays } from '../core/ask-schedule.ts';
import { price, type RawValue } from './setting-parsers.ts';

/** A list in the file; the environment and the flags have no way to say it. */
export const scheduleKey = 'ask.schedule';
export const maxPeriods = 64;

export const PeriodSchema = Type.Object(
  {
    days: Type.Array(Type.Unsafe<Weekday>(Type.String({ enum: [...weekdays] })), { minItems: 1 }),
    fromMinute: Type.Integer({ minimum: 0, maximum: 1439 }),
    toMinute: Type.Integer({ minimum: 1, maximum: 1440 }),
    ask: Type.Optional(AskSchema),
  },
  { additionalProperties: false },
);

/** A period as it is written: prices that it does not name are the plain ones. */
export interface WrittenPeriod extends Omit<AskPeriod, 'ask'> {
  readonly closed: boolean;
  readonly prices: Partial<Ask>;
}

const priceNames = {
  cpu_hour: 'cpuHourNano',
  memory_gib_hour: 'memoryGibHourNano',
  disk_gib_hour: 'diskGibHourNano',
  device_hour: 'deviceHourNano',
} as const;
const names = ['days', 'hours', 'closed', ...Object.keys(priceNames)];

/** The list as the file has it → periods; what is wrong is added to the problems. */
export function readSchedule(raw: unknown, problems: Problem[]): readonly WrittenPeriod[] {
  if (!Array.isArray(raw) || raw.length > maxPeriods) {
    problems.push({ pointer: scheduleKey, message: `must be a list of up to ${maxPeriods} periods` });
    return [];
  }
  return raw.map((each: unknown, index) => readPeriod(each, `${scheduleKey}.${index}`, problems));
}

function readPeriod(raw: unknown, pointer: string, problems: Problem[]): WrittenPeriod {
  const problem = (name: string, message: string) =>
    problems.push({ pointer: name === '' ? pointer : `${pointer}.${name}`, message });
  const fields = typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? Object.entries(raw) : [];
  if (fields.length === 0)
    problem(
      '',
      'must hold days, hours and prices, such as {days: mon-fri, hours: 08:00-18:00, closed: true}',
    );
  const values = new Map<string, unknown>(fields);
  for (const name of values.keys()) {
    if (names.includes(name)) continue;
    const guess = nearest(name, names);
    problem(name, guess === undefined ? 'is not a setting' : `is not a setting; did you mean ${guess}?`);
  }
  const days = values.has('days') ? readDays(values.get('days')) : weekdays;
  if (days === undefined) problem('days', 'must be days such as mon-fri, or a list such as [sat, sun]');
  const hours = values.has('hours') ? readHours(values.get('hours')) : ([0, 24 * 60] as const);
  if (hours === undefined)
    problem('hours', 'must be two different times such as 08:00-18:00, or 22:00-06:00 past midnight');
  const closed = values.get('closed') ?? false;
  if (typeof closed !== 'boolean') problem('closed', 'must be true or false');
  const prices: Record<string, string> = {};
  for (const [name, field] of Object.entries(priceNames)) {
    if (!values.has(name)) continue;
    const parsed = price(values.get(name) as RawValue);
    if (!parsed.ok) problem(name, parsed.message);
    else prices[field] = parsed.value as string;
  }
  if (fields.length > 0 && (closed === true) === Object.keys(priceNames).some((name) => values.has(name)))
    problem('', 'must either name prices or be closed');
  const [fromMinute, toMinute] = hours ?? [0, 1];
  return { days: days ?? [], fromMinute, toMinute, closed: closed === true, prices };
}

/** `mon`, `mon-fri`, `sat-mon`, or a list of such. */
function readDays(raw: unknown): readonly Weekday[] | undefined {
  const texts: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  const found = new Set<Weekday>();
  for (const text of texts) {
    const [first = '', last = first, ...rest] = typeof text === 'string' ? text.toLowerCase().split('-') : [];
    const from = weekdays.findIndex((day) => day === first);
    const to = weekdays.findIndex((day) => day === last);
    if (from < 0 || to < 0 || rest.length > 0) return undefined;
    for (let day = from; ; day = (day + 1) % 7) {
      found.add(weekdays[day] as Weekday);
      if (day === to) break;
    }
  }
  return found.size === 0 ? undefined : weekdays.filter((day) => found.has(day));
}

function readHours(raw: unknown): readonly [number, number] | undefined {
  const match = typeof raw === 'string' ? /^(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)$/.exec(raw) : null;
  if (match === null) return undefined;
  const [, ...texts] = match;
  const [fromHour = 0, fromRest = 0, toHour = 0, toRest = 0] = texts.map(Number);
  const from = fromHour * 60 + fromRest;
  const to = toHour * 60 + toRest;
  const isTime = fromRest < 60 && toRest < 60 && from < 24 * 60 && to <= 24 * 60;
  return isTime && from !== to && to > 0
    ? [from, to]
    : isTime && to === 0 && from > 0
      ? [from, 24 * 60]
      : undefined;
}

export function periodOf({ closed, prices, ...period }: WrittenPeriod, plain: Ask): AskPeriod {
  return closed ? period : { ...period, ask: { ...plain, ...prices } };
}
