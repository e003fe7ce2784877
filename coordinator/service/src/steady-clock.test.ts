import { expect, it } from 'vitest';
import { SteadyClock } from './steady-clock.ts';

const start = 1_800_000_000_000;

/** A machine whose wall clock somebody sets. */
function open() {
  const machine = { wallMs: start, elapsedMs: 5000 };
  const clock = new SteadyClock({ wallMs: () => machine.wallMs, elapsedMs: () => machine.elapsedMs });
  const pass = (ms: number): number => {
    machine.wallMs += ms;
    machine.elapsedMs += ms;
    return clock.now();
  };
  return { machine, clock, pass };
}

it('follows a wall clock that nobody sets', () => {
  const { pass } = open();
  expect(pass(0)).toBe(start);
  expect(pass(1500)).toBe(start + 1500);
  expect(pass(86_400_000)).toBe(start + 86_401_500);
});

it('neither jumps nor stands still when the wall clock is set, and comes back to it', () => {
  for (const jumpMs of [600_000, -600_000]) {
    const { machine, clock, pass } = open();
    machine.wallMs += jumpMs;
    let before = clock.now();
    expect(before).toBe(start);
    for (let minute = 1; minute <= 60; minute++) {
      const at = pass(60_000);
      // 5 % of 60 s, and half a millisecond for the whole number.
      expect(Math.abs(at - before - 60_000)).toBeLessThanOrEqual(3001);
      before = at;
    }
    expect(before).not.toBe(machine.wallMs);
    for (let minute = 0; minute < 145; minute++) pass(60_000);
    expect(clock.now()).toBe(machine.wallMs);
  }
});

it('goes on from the newest entry of a log that was written by a clock ahead of it', () => {
  const { clock, pass } = open();
  clock.notBefore(start + 600_000);
  expect(clock.now()).toBe(start + 600_000);
  expect(pass(10_000)).toBe(start + 609_500);
  clock.notBefore(start);
  expect(clock.now()).toBe(start + 609_500);
});

it('reads the clocks of this machine', () => {
  const clock = new SteadyClock();
  const first = clock.now();
  expect(Math.abs(first - Date.now())).toBeLessThan(1000);
  expect(clock.now()).toBeGreaterThanOrEqual(first);
});
