import { describe, expect, it } from 'vitest';
import { divideRoom, makeOffer, type Share } from './offer.ts';

const gib = 2 ** 30;
const size = {
  threads: 4,
  memoryBytes: 32 * gib,
  diskBytes: 999 * gib,
  diskFreeBytes: 800 * gib,
  arch: 'amd64',
};
const percent = (value: number): Share => ({ kind: 'percent', value });
const amount = (value: number): Share => ({ kind: 'amount', value });
const terms = { memory: percent(75), disk: percent(50), scratchInMemory: true };

describe('scratch in memory', () => {
  it('is a quarter of what the owner gives, unless the owner says so', () => {
    expect(divideRoom(terms, size)).toEqual({ memoryBytes: 18 * gib, diskBytes: 6 * gib });
    expect(divideRoom({ ...terms, disk: percent(10) }, size).diskBytes).toBe(Math.floor(1.2 * gib));
    expect(divideRoom({ ...terms, disk: amount(12 * gib) }, size).diskBytes).toBe(12 * gib);
    expect(divideRoom({ ...terms, disk: amount(0) }, size)).toEqual({ memoryBytes: 24 * gib, diskBytes: 0 });
    // Meant for a disk.
    expect(divideRoom({ ...terms, disk: amount(100 * gib) }, size).diskBytes).toBe(6 * gib);
  });

  it('and memory never exceed what the owner gives, whatever is set', () => {
    const shares = [0, 1, 3, 33, 50, 99, 100].map(percent);
    const amounts = [0, 1, 4095, gib, 31 * gib + 7, 2 ** 50].map(amount);
    for (const memory of [...shares, ...amounts])
      for (const disk of [...shares, ...amounts]) {
        const owned = divideRoom({ memory, disk: percent(0) }, size).memoryBytes;
        const { diskBytes, memoryBytes } = divideRoom({ memory, disk, scratchInMemory: true }, size);
        expect(memoryBytes + diskBytes).toBe(owned);
        expect(diskBytes).toBeLessThanOrEqual(owned / 2);
        expect(diskBytes).toBeGreaterThanOrEqual(0);
      }
  });

  it('costs no less than memory', () => {
    const ask = { cpuHourNano: '1', memoryGibHourNano: '90', diskGibHourNano: '1000', deviceHourNano: '1' };
    const offered = (diskGibHourNano: string, scratchInMemory: boolean) =>
      makeOffer(
        {
          ...terms,
          cpu: percent(100),
          scratchInMemory,
          allowRoot: false,
          shareDevices: false,
          ask: { ...ask, diskGibHourNano },
        },
        size,
        [],
      ).ask.diskGibHourNano;
    expect(offered('9', true)).toBe('90');
    expect(offered('1000', true)).toBe('1000');
    expect(offered('9', false)).toBe('9');
  });
});

it('sells the disk where scratch lives there', () => {
  expect(divideRoom({ ...terms, scratchInMemory: false }, size)).toEqual({
    memoryBytes: 24 * gib,
    diskBytes: 400 * gib,
  });
});
