import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogFrames, LogInterrupted } from './log-frames.ts';

const timestamp = '2026-01-02T03:04:05.000000006Z';

function frame(kind: number, payload: string, stamp = `${timestamp} `): Buffer {
  const body = Buffer.from(stamp + payload);
  const head = Buffer.alloc(8);
  head.writeUInt8(kind, 0);
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}

describe('log frames', () => {
  it('give the same streams however the bytes are cut', () => {
    const messages = fc.array(
      fc.record({ kind: fc.constantFrom(1, 2), text: fc.string({ maxLength: 40 }) }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (list, cuts) => {
        const bytes = Buffer.concat(list.map((message) => frame(message.kind, message.text)));
        const frames = new LogFrames();
        const got = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
        for (let start = 0, turn = 0; start < bytes.length; turn++) {
          const length = cuts[turn % cuts.length] ?? 1;
          for (const piece of frames.take(bytes.subarray(start, start + length))) {
            expect(piece.timestamp).toBe(timestamp);
            got[piece.stream].push(piece.bytes);
          }
          start += length;
        }
        for (const [stream, kind] of [
          ['stdout', 1],
          ['stderr', 2],
        ] as const) {
          const wanted = list.filter((message) => message.kind === kind).map((message) => message.text);
          expect(Buffer.concat(got[stream]).toString()).toBe(wanted.join(''));
        }
      }),
    );
  });

  it('refuse what is no log of the engine', () => {
    expect(() => new LogFrames().take(frame(7, 'x'))).toThrow('kind 7');
    expect(() => new LogFrames().take(frame(3, 'rotated'))).toThrow(LogInterrupted);
    expect(() => new LogFrames().take(frame(1, 'x', 'not a time at all, but long enough '))).toThrow(
      'timestamp',
    );
  });
});
