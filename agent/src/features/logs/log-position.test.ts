import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatLogPosition,
  LogCursor,
  type LogPosition,
  logStart,
  parseLogPosition,
  sinceOf,
} from './log-position.ts';

interface Message {
  readonly timestamp: string;
  readonly text: string;
}

function stamp(ms: number): string {
  return `${new Date(1_700_000_000_000 + ms).toISOString().slice(0, 19)}.${String(ms % 1000).padStart(3, '0')}000000Z`;
}

/** What the engine would send for a position: messages not older than it, in the order of the file. */
function reread(log: readonly Message[], position: LogPosition): readonly Message[] {
  return log.filter((message) => message.timestamp >= position.anchor);
}

const logs = fc
  .array(
    fc.record({
      stepMs: fc.integer({ min: 0, max: 900 }),
      lateMs: fc.integer({ min: 0, max: 400 }),
      length: fc.integer({ min: 1, max: 5 }),
    }),
    {
      minLength: 1,
      maxLength: 60,
    },
  )
  .map((steps) => {
    let atMs = 0;
    return steps.map((step, index) => {
      atMs += step.stepMs;
      // The first is never late: nothing can be older than the start.
      const lateMs = index === 0 ? 0 : Math.min(step.lateMs, atMs);
      return {
        timestamp: stamp(atMs - lateMs),
        text: String.fromCharCode(97 + (index % 26)).repeat(step.length),
      };
    });
  });

describe('a log cursor', () => {
  it('hands over every byte once, wherever it is cut and however old the noted position is', () => {
    fc.assert(
      fc.property(logs, fc.nat(), fc.nat(), (log, cutSeed, noteSeed) => {
        const whole = log.map((message) => message.text).join('');
        const cut = cutSeed % (log.length + 1);
        const noted = noteSeed % (cut + 1);
        const first = new LogCursor(logStart, 0);
        let got = '';
        let position: LogPosition = logStart;
        for (let index = 0; index < cut; index++) {
          if (index === noted) position = first.position();
          const message = log[index];
          if (message !== undefined)
            got += first.take(message.timestamp, Buffer.from(message.text)).toString();
        }
        if (noted === cut) position = first.position();
        const second = new LogCursor(parseLogPosition(formatLogPosition(position)) ?? logStart, got.length);
        for (const message of reread(log, position))
          got += second.take(message.timestamp, Buffer.from(message.text)).toString();
        expect(got).toBe(whole);
        expect(second.position().totalBytes).toBe(whole.length);
      }),
      { numRuns: 500 },
    );
  });

  it('goes on where it was after a break of the connection', () => {
    const cursor = new LogCursor(logStart, 0);
    cursor.take(stamp(0), Buffer.from('one'));
    cursor.take(stamp(5000), Buffer.from('two'));
    cursor.rewind();
    expect(cursor.take(cursor.position().anchor, Buffer.from('one')).toString()).toBe('');
    expect(cursor.take(stamp(5000), Buffer.from('twofold')).toString()).toBe('fold');
  });

  it('goes by time when the engine has dropped what it would count', () => {
    const cursor = new LogCursor(
      { anchor: stamp(0), bytesSinceAnchor: 10, totalBytes: 100, newest: stamp(20) },
      100,
    );
    expect(cursor.take(stamp(10), Buffer.from('old')).toString()).toBe('');
    expect(cursor.take(stamp(20), Buffer.from('old')).toString()).toBe('');
    expect(cursor.take(stamp(9000), Buffer.from('new')).toString()).toBe('new');
    cursor.rewind();
    expect(cursor.position().anchor).toBe(stamp(9000));
    expect(cursor.take(stamp(9000), Buffer.from('newer')).toString()).toBe('er');
  });

  it('moves its anchor, so that little is read again', () => {
    const cursor = new LogCursor(logStart, 0);
    for (let ms = 0; ms < 60_000; ms += 100) cursor.take(stamp(ms), Buffer.from('x'));
    expect(cursor.position().anchor >= stamp(57_000)).toBe(true);
    expect(cursor.position()).toMatchObject({ totalBytes: 600 });
  });
});

describe('a position', () => {
  it('asks for messages from a nanosecond on', () => {
    expect(sinceOf(logStart)).toBe('0');
    expect(sinceOf({ ...logStart, anchor: '2026-01-02T03:04:05.000000006Z' })).toBe('1767323045.000000006');
  });

  it('asks for all messages where the time is none', () => {
    expect(sinceOf({ ...logStart, anchor: '2026-01-41T03:04:05.000000006Z' })).toBe('0.000000000');
  });

  it('is refused when it is none', () => {
    const noDay = '2026-01-41T03:04:05.000000006Z';
    for (const text of [
      '',
      '1/2',
      'x/1/2/',
      '2026-01-02T03:04:05Z/1/2/',
      '/1/-2/',
      '/1/2',
      `${noDay}/1/2/`,
      `/1/2/${noDay}`,
    ])
      expect(parseLogPosition(text)).toBeUndefined();
  });
});
