import type { Ask } from '@capacloud/protocol/capacity/resources';

const dayMinutes = 24 * 60;
const minuteMs = 60_000;
export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof weekdays)[number];

/**
 * Hours of some days, by the wall clock of the schedule's zone. One that ends at or before its beginning goes on past
 * midnight, and belongs to the day on which it began.
 */
export interface AskPeriod {
  readonly days: readonly Weekday[];
  /** Minutes since midnight: 0 to 1439, and 1 to 1440. */
  readonly fromMinute: number;
  readonly toMinute: number;
  /** Undefined: no new work is taken. */
  readonly ask?: Ask | undefined;
}

export interface AskSchedule {
  /** IANA name. */
  readonly timeZone: string;
  /** The first one that fits counts. */
  readonly periods: readonly AskPeriod[];
}

/** What the owner asks at a moment: the ask of the period that it falls into, else the plain one. */
export class ScheduledAsk {
  readonly #plain: Ask;
  readonly #periods: readonly AskPeriod[];
  readonly #format: Intl.DateTimeFormat;
  #known: { readonly minute: number; readonly ask: Ask | undefined } | undefined;

  constructor(plain: Ask, schedule: AskSchedule | undefined) {
    this.#plain = plain;
    this.#periods = schedule?.periods ?? [];
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: schedule?.timeZone ?? 'UTC',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  }

  /** Undefined while it is closed. Clocks change by whole minutes, so that one look a minute is enough. */
  at(nowMs: number): Ask | undefined {
    if (this.#periods.length === 0) return this.#plain;
    const minute = Math.floor(nowMs / minuteMs);
    if (this.#known?.minute !== minute) this.#known = { minute, ask: this.#read(minute * minuteMs) };
    return this.#known.ask;
  }

  /** Something to offer while it is closed, when no work is taken: prices are part of an offer. */
  offered(nowMs: number): Ask {
    return this.at(nowMs) ?? this.#plain;
  }

  #read(nowMs: number): Ask | undefined {
    const parts = new Map(this.#format.formatToParts(nowMs).map(({ type, value }) => [type, value]));
    const day = weekdays.findIndex((name) => name === parts.get('weekday')?.toLowerCase());
    const minute = Number(parts.get('hour')) * 60 + Number(parts.get('minute'));
    const period = this.#periods.find((each) => holds(each, day, minute));
    return period === undefined ? this.#plain : period.ask;
  }
}

/** Milliseconds until the next minute begins. */
export function toNextMinuteMs(nowMs: number): number {
  return minuteMs - (nowMs % minuteMs);
}

function holds({ days, fromMinute, toMinute }: AskPeriod, day: number, minute: number): boolean {
  const isOn = (each: number): boolean => days.some((name) => name === weekdays[(each + 7) % 7]);
  if (fromMinute < toMinute)
    return isOn(day) && minute >= fromMinute && minute < Math.min(toMinute, dayMinutes);
  return (isOn(day) && minute >= fromMinute) || (isOn(day - 1) && minute < toMinute);
}
