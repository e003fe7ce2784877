import type { Device } from '@capacloud/protocol/capacity/resources';
import { expect, it } from 'vitest';
import { gib, Machine, offer, terms } from '../../testing/harness.ts';
import { Book } from './book.ts';

const gpu = (id: string, model: string, change: Partial<Device> = {}): Device => ({
  id,
  vendor: 'nvidia',
  model,
  memoryBytes: 24 * gib,
  health: 'healthy',
  ...change,
});

function classes(machine: Machine) {
  const book = new Book();
  for (const node of machine.state.nodes.values()) book.look(node);
  for (const level of book.levels()) book.consider(level);
  return book.classes().map(({ levels, ...rest }) => ({
    ...rest,
    levels: levels.map(({ ask, nodes, total, free }) => [Number(ask.deviceHourNano), nodes, total, free]),
  }));
}

it('gathers equal asks by class, the cheapest first, and leaves out what cannot be had', () => {
  const machine = Machine.ready(0);
  const connect = (n: number, price: number, devices: Device[], accepting = true) =>
    machine.connect(n, {
      accepting,
      offer: offer({ devices, ask: { ...offer().ask, deviceHourNano: `${price}` } }),
    });
  connect(0, 9, [gpu('a', 'l40'), gpu('b', 'a100')]);
  connect(1, 5, [gpu('c', 'l40'), gpu('d', 'l40')]);
  connect(2, 9, [gpu('e', 'l40'), gpu('f', 'l40', { health: 'quarantined' })]);
  connect(3, 1, [gpu('g', 'l40')], false);
  connect(4, 0, []);
  const { resources } = terms();
  machine.submit(1, { resources: { ...resources, devices: { count: 1, models: ['a100'] } } });
  machine.place();
  expect(classes(machine)).toEqual([
    { deviceClass: 'cpu', allLevels: 1, total: 4, free: 4, levels: [[0, 1, 4, 4]] },
    {
      deviceClass: 'l40',
      allLevels: 2,
      total: 4,
      free: 4,
      levels: [
        [5, 1, 2, 2],
        [9, 2, 2, 2],
      ],
    },
    { deviceClass: 'a100', allLevels: 1, total: 1, free: 0, levels: [[9, 1, 1, 0]] },
  ]);
});

it('keeps those apart who sell to interruptible work for less', () => {
  const machine = Machine.ready(2);
  machine.connect(2, { offer: offer({ interruptibleDiscountPercent: 40 }) });
  const book = new Book();
  for (const node of machine.state.nodes.values()) book.look(node);
  for (const level of book.levels()) book.consider(level);
  const levels = book.classes().flatMap((each) => each.levels);
  expect(levels.map(({ discountPercent, nodes }) => [discountPercent, nodes])).toEqual([
    [40, 1],
    [undefined, 2],
  ]);
});
