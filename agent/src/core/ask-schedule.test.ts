import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AskPeriod, ScheduledAsk, toNextMinuteMs, type Weekday, weekdays } from './ask-schedule.ts';

const ask = (price: number) => ({
  cpuHourNano: `${price}`,
  memoryGibHourNano: '0',
  diskGibHourNano: '0',
  deviceHourNano: '0',
});
const plain = ask(0);
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** Zones that change their clocks by an hour, by half of one, at midnight and not at all. */
const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Santiago',
  'Asia/Kolkata',
];

/** What the wall clock of the zone shows, as milliseconds: by its offset, and not by its days and hours. */
function wallMs(zone: string, at: number): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    timeZoneName: 'longOffset',
  }).formatToParts(at);
  const offset = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign = '+', hours = '0', minutes = '0'] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(offset) ?? [];
  return at + (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * minuteMs;
}

/** The periods drawn out on the wall: from a beginning to an end, on each of their days around. */
function expected(zone: string, periods: readonly AskPeriod[], at: number): unknown {
  const wall = wallMs(zone, at);
  const today = Math.floor(wall / dayMs);
  for (const { days, fromMinute, toMinute, ask: asked } of periods)
    for (const day of [today - 1, today]) {
      // The first of January 1970 was a Thursday.
      const name = weekdays[(((day + 3) % 7) + 7) % 7] as Weekday;
      const minutes = toMinute > fromMinute ? toMinute : toMinute + 24 * 60;
      const begins = day * dayMs + fromMinute * minuteMs;
      const ends = day * dayMs + minutes * minuteMs;
      if (days.includes(name) && wall >= begins && wall < ends) return asked;
    }
  return plain;
}

const period = fc
  .record({
    days: fc.subarray([...weekdays], { minLength: 1 }),
    from: fc.integer({ min: 0, max: 95 }),
    length: fc.integer({ min: 1, max: 96 }),
    price: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
  })
  .map(({ days, from, length, price }): AskPeriod => {
    const to = (from + length) * 15;
    return {
      days,
      fromMinute: from * 15,
      toMinute: to > 24 * 60 ? to - 24 * 60 : to,
      ask: price === undefined ? undefined : ask(price),
    };
  });

test('asks by the wall clock of its zone, also over the nights when clocks change', () => {
  // All of 2026, and from minute to minute around some moment of it.
  const start = Date.UTC(2026, 0, 1);
  const moments = fc.oneof(
    fc.integer({ min: 0, max: 365 * 24 * 60 }).map((minutes) => start + minutes * minuteMs),
    // In the hours of the changes of Berlin, New York, Lord Howe and Santiago.
    fc
      .tuple(
        fc.constantFrom(
          '2026-03-29T01:00Z',
          '2026-10-25T01:00Z',
          '2026-03-08T07:00Z',
          '2026-11-01T06:00Z',
          '2026-04-04T15:00Z',
          '2026-10-03T15:30Z',
          '2026-04-05T03:00Z',
          '2026-09-06T04:00Z',
        ),
        fc.integer({ min: -180, max: 180 }),
      )
      .map(([change, minutes]) => Date.parse(change) + minutes * minuteMs),
  );
  let others = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.array(period, { minLength: 1, maxLength: 3 }),
      moments,
      fc.nat({ max: minuteMs - 1 }),
      (timeZone, periods, moment, ms) => {
        const scheduled = new ScheduledAsk(plain, { timeZone, periods });
        const want = expected(timeZone, periods, moment);
        if (want !== plain) others += 1;
        expect(scheduled.at(moment + ms)).toEqual(want);
        expect(scheduled.offered(moment)).toEqual(want ?? plain);
      },
    ),
    { numRuns: 2000 },
  );
  expect(others).toBeGreaterThan(300);
});

test('an hour that a clock shows twice is twice as long, and one that it leaves out is none', () => {
  const night: AskPeriod = { days: ['sun'], fromMinute: 120, toMinute: 180, ask: ask(5) };
  const scheduled = new ScheduledAsk(plain, { timeZone: 'Europe/Berlin', periods: [night] });
  const minutesOf = (day: string) =>
    Array.from({ length: 24 * 60 }, (_, minute) => scheduled.at(Date.parse(day) + minute * minuteMs)).filter(
      (each) => each !== plain,
    ).length;
  expect(minutesOf('2026-10-25T00:00+02:00')).toBe(120);
  expect(minutesOf('2026-03-29T00:00+01:00')).toBe(0);
  expect(minutesOf('2026-06-07T00:00+02:00')).toBe(60);
});

test('without a schedule the plain ask stands, and minutes are told', () => {
  expect(new ScheduledAsk(plain, undefined).at(1)).toBe(plain);
  expect([0, 1, 59_999, 60_000].map(toNextMinuteMs)).toEqual([60_000, 59_999, 1, 60_000]);
});
