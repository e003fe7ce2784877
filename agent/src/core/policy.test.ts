import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { expect, test } from 'vitest';
import { outboxLimit } from './journal-port.ts';
import { closedReason, itemsPerAttempt, maxHeldAttempts, Room, refusalReason } from './policy.ts';

const offer = {
  cpuMilli: 1000,
  memoryBytes: 1000,
  diskBytes: 1000,
  slots: 1,
  allowRoot: false,
  devices: [
    { id: 'GPU-1', health: 'healthy' },
    { id: 'GPU-2', health: 'quarantined', reason: 'lost' },
  ],
} as unknown as Offer;

function assignment(change: object, resources: object = {}): Assignment {
  return {
    devices: [],
    resources: { cpuMilli: 1, memoryBytes: 1, diskBytes: 1, ...resources },
    ...change,
  } as unknown as Assignment;
}

test.each<[string, Assignment, string | undefined]>([
  ['what fits', assignment({ user: '1000:0', devices: ['GPU-1'] }), undefined],
  ['too much CPU', assignment({}, { cpuMilli: 1001 }), 'CPU'],
  ['too much memory', assignment({}, { memoryBytes: 1001 }), 'memory'],
  ['too much disk', assignment({}, { diskBytes: 1001 }), 'disk'],
  ['root', assignment({ user: '0' }), 'root'],
  ['root with a group', assignment({ user: '00:5' }), 'root'],
  ['an unknown device', assignment({ devices: ['GPU-9'] }), 'no device GPU-9'],
  [
    'a share of a device that is not shared',
    assignment({ devices: ['GPU-1'] }, { devices: { count: 1, shareMilli: 500 } }),
    'does not let tasks share',
  ],
  ['a device in quarantine', assignment({ devices: ['GPU-2'] }), 'quarantined'],
])('%s', (_, given, expected) => {
  const reason = refusalReason(given, offer);
  if (expected === undefined) expect(reason).toBeUndefined();
  else expect(reason).toContain(expected);
});

test('room is counted in thousandths of each device', () => {
  const room = new Room({ ...offer, slots: 9 });
  const share = (shareMilli: number) =>
    assignment({ devices: ['GPU-1'] }, { devices: { count: 1, shareMilli } });
  const whole = assignment({ devices: ['GPU-1'] }, { devices: { count: 1 } });
  expect([share(400), whole].map((each) => room.fits(each))).toEqual([true, true]);
  room.take(share(400));
  expect([share(600), share(601), whole].map((each) => room.fits(each))).toEqual([true, false, false]);
});

test('work is taken only while there is room for all its reports', () => {
  const room = { heldAttempts: 0, outboxItems: 0, outboxLimit, storageFault: undefined };
  const open = { paused: false, engineReachable: true, ...room };
  expect(closedReason(open)).toBeUndefined();
  expect(closedReason({ ...open, paused: true })).toBeDefined();
  expect(closedReason({ ...open, engineReachable: false })).toBeDefined();
  expect(closedReason({ ...open, storageFault: 'disk full' })).toContain('disk');
  expect(closedReason({ ...open, heldAttempts: maxHeldAttempts })).toBeDefined();
  expect(closedReason({ ...open, outboxItems: outboxLimit - itemsPerAttempt })).toBeUndefined();
  expect(closedReason({ ...open, outboxItems: outboxLimit - itemsPerAttempt + 1 })).toBeDefined();
  expect(
    closedReason({ ...open, heldAttempts: 1, outboxItems: outboxLimit - itemsPerAttempt }),
  ).toBeDefined();
});
