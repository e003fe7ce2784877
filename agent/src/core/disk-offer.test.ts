import { expect, test } from 'vitest';
import { sellableBytes, steadyOffer } from './disk-offer.ts';

const gibibyte = 2 ** 30;
const room = (freeGib: number) => ({
  totalBytes: 100 * gibibyte,
  freeBytes: freeGib * gibibyte,
  inodes: 1e6,
  freeInodes: 1e6,
});

test('no more is sold than is free after the watermark, images and what was sold before', () => {
  expect(sellableBytes({ room: room(40), attemptBytes: 0 })).toBe(38 * gibibyte);
  expect(sellableBytes({ room: room(30), attemptBytes: 10 * gibibyte })).toBe(38 * gibibyte);
  const share = { kind: 'amount', value: 20 * gibibyte } as const;
  expect(sellableBytes({ room: room(40), attemptBytes: 0, images: { share, usedBytes: 0 } })).toBe(
    18 * gibibyte,
  );
  // What images have taken is free no longer, and not reserved twice.
  const images = { share, usedBytes: 15 * gibibyte };
  expect(sellableBytes({ room: room(25), attemptBytes: 0, images })).toBe(18 * gibibyte);
  expect(sellableBytes({ room: room(1), attemptBytes: 3 * gibibyte, images })).toBe(3 * gibibyte);
});

test('an offer shrinks at once, grows by steps, and does not flutter', () => {
  const wanted = 16 * gibibyte;
  expect(steadyOffer(wanted, 100 * gibibyte, wanted)).toBe(wanted);
  expect(steadyOffer(wanted, 15.9 * gibibyte, wanted)).toBe(15 * gibibyte);
  expect(steadyOffer(wanted, 16 * gibibyte, 15 * gibibyte)).toBe(15 * gibibyte);
  expect(steadyOffer(wanted, 17 * gibibyte, 15 * gibibyte)).toBe(wanted);
  expect(steadyOffer(wanted, 5.5 * gibibyte, 4 * gibibyte)).toBe(4 * gibibyte);
  expect(steadyOffer(wanted, 0, wanted)).toBe(0);
});
