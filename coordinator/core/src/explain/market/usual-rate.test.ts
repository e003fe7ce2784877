import { standardAsk } from '@capacloud/protocol/capacity/resources';
import { expect, it } from 'vitest';
import { parseAsk, rateNano } from '../../slices/node/price.ts';
import { gib, Machine, offer, terms } from '../../testing/harness.ts';
import { usualRate } from './usual-rate.ts';

const cpuAsk = (cpuHourNano: string) => offer({ slots: 2, ask: { ...offer().ask, cpuHourNano } });

/** Nodes with room for two tasks each, at these prices for a processor. */
function network(...prices: string[]): Machine {
  const machine = Machine.ready(0);
  for (const [n, price] of prices.entries()) machine.connect(n, { offer: cpuAsk(price) });
  return machine;
}

it('is the dearest of the cheapest nodes that can take all tasks now', () => {
  const { notes, state } = network('5000', '1000', '9000', '3000', '7000');
  const rateFor = (tasks: number) => usualRate(state, notes, terms({ tasks, maxRateNano: 0n }));
  expect([1, 2, 3, 5, 10].map(rateFor)).toEqual([1000n, 1000n, 3000n, 5000n, 9000n]);
});

it('is the median of suitable nodes where there is no room for all of them', () => {
  const machine = network('5000', '1000', '4000');
  expect(usualRate(machine.state, machine.notes, terms({ tasks: 100, maxRateNano: 0n }))).toBe(5000n);
  machine.submit(1, { tasks: 6 });
  machine.place();
  // All are busy now, and the dearest asks no more than the others together make usual.
  expect(usualRate(machine.state, machine.notes, terms({ maxRateNano: 0n }))).toBe(4000n);
  const elsewhere = terms({ maxRateNano: 0n, regions: ['eu-central'] });
  expect(usualRate(machine.state, machine.notes, elsewhere)).toBe(
    rateNano(parseAsk(standardAsk), elsewhere.resources),
  );
});

it('is the standard ask where nobody would do, and where nothing is asked', () => {
  const wanted = terms({ resources: { cpuMilli: 2000, memoryBytes: 4 * gib, diskBytes: 0, shmBytes: 0 } });
  expect(usualRate(network().state, network().notes, wanted)).toBe(28_000_000n);
  expect(usualRate(network('0').state, network('0').notes, wanted)).toBe(28_000_000n);
});

it('takes alternatives as tasks do: the wish that has room, at what it costs', () => {
  const device = (id: string, model: string) =>
    ({ id, vendor: 'nvidia', model, memoryBytes: 24 * gib, health: 'healthy', shareable: false }) as const;
  const machine = network();
  const ask = { ...offer().ask, cpuHourNano: '0' };
  machine.connect(0, {
    offer: offer({ devices: [device('a', 'good')], ask: { ...ask, deviceHourNano: '800' } }),
  });
  machine.connect(1, {
    offer: offer({ devices: [device('b', 'cheap')], ask: { ...ask, deviceHourNano: '100' } }),
  });
  const { resources } = terms();
  const wish = (...models: string[]) => ({ ...resources, devices: { count: 1, models } });
  const either = { ...wish('good'), alternatives: [{ count: 1, models: ['cheap'] }] };
  const rateFor = (tasks: number) =>
    usualRate(machine.state, machine.notes, terms({ tasks, resources: either }));
  expect([rateFor(1), rateFor(2)]).toEqual([800n, 800n]);
  expect(usualRate(machine.state, machine.notes, terms({ resources: wish('cheap') }))).toBe(100n);
});

it('looks at a bounded number of nodes, the cheapest first', () => {
  const machine = Machine.ready(0);
  for (let n = 0; n < 1500; n++) machine.connect(n, { offer: cpuAsk(`${10_000 - n}`) });
  expect(usualRate(machine.state, machine.notes, terms())).toBeLessThan(8900n);
});

it('finds the model that is wanted behind more than a thousand cheaper ones', () => {
  const machine = Machine.ready(0);
  const gpu = (n: number, model: string, deviceHourNano: string) =>
    machine.connect(n, {
      offer: offer({
        devices: [{ id: `${model}-${n}`, vendor: 'nvidia', model, memoryBytes: 80 * gib, health: 'healthy' }],
        ask: { ...offer().ask, deviceHourNano },
      }),
    });
  for (let n = 0; n < 1500; n++) gpu(n, 'rtx-3090', '100');
  gpu(2000, 'h100-pcie', '2000000000');
  const wish = (tasks: number) =>
    terms({ tasks, resources: { ...terms().resources, devices: { count: 1, models: ['h100'] } } });
  expect(usualRate(machine.state, machine.notes, wish(1))).toBe(2_001_000_000n);
  // There is room for one of them, so the median of what suitable nodes ask counts as well.
  expect(usualRate(machine.state, machine.notes, wish(9))).toBe(2_001_000_000n);
  machine.submit(1, { ...wish(1), maxRateNano: 10n ** 10n, holdNano: 10n ** 10n });
  machine.place();
  expect(usualRate(machine.state, machine.notes, wish(1))).toBe(2_001_000_000n);
});
