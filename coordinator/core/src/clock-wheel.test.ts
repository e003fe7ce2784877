import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Clocked, ClockWheel } from './clock-wheel.ts';

interface Item extends Clocked<Item> {
  readonly name: number;
}
function item(name: number): Item {
  return { name, dueAt: 0, bucket: undefined, clockPrev: undefined, clockNext: undefined };
}
const names = (items: readonly Item[]) => items.map(({ name }) => name).sort((a, b) => a - b);

it('agrees with a plain list, whatever is added and removed', () => {
  const step = fc.record({ name: fc.nat(15), dueAt: fc.nat(9000), add: fc.boolean(), at: fc.nat(9000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const items = Array.from({ length: 16 }, (_, name) => item(name));
      const wheel = new ClockWheel<Item>();
      const model = new Map<number, number>();
      for (const { add, at, dueAt, name } of steps) {
        const one = items[name] ?? item(name);
        wheel.remove(one);
        model.delete(name);
        if (add) {
          wheel.add(one, dueAt);
          model.set(name, dueAt);
        }
        const due = [...model].filter(([, time]) => time <= at).map(([n]) => n);
        expect(names(wheel.due(at, 1000))).toEqual(due.sort((a, b) => a - b));
        expect(wheel.earliest()).toBe(Math.min(Number.POSITIVE_INFINITY, ...model.values()));
        expect(wheel.size).toBe(model.size);
      }
    }),
  );
});

it('reads no further second once it has enough', () => {
  const wheel = new ClockWheel<Item>();
  for (let name = 0; name < 10; name++) wheel.add(item(name), name < 6 ? 1500 : 2500);
  expect(wheel.due(9000, 3)).toHaveLength(6);
  expect(wheel.due(9000, 7)).toHaveLength(10);
});

it('keeps no memory of deadlines that never came', () => {
  const wheel = new ClockWheel<Item>();
  const first = item(0);
  wheel.add(first, 1);
  const other = item(1);
  for (let second = 1; second < 5000; second++) {
    wheel.add(other, second * 1000);
    wheel.remove(other);
  }
  expect(wheel.size).toBe(1);
  expect(wheel.due(1e9, 1000)).toEqual([first]);
  expect(() => wheel.add(first, 2)).toThrow('set twice');
});
