import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Heap } from './heap.ts';

it('gives its items in order, whatever is put in, taken out and changed between', () => {
  const step = fc.oneof(
    fc.record({ push: fc.nat(50) }),
    fc.constant('remove' as const),
    fc.record({ sink: fc.nat(50) }),
    fc.record({ keepBelow: fc.nat(60) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const heap = new Heap<{ value: number }>((a, b) => a.value < b.value);
      let model: number[] = [];
      for (const each of steps) {
        model.sort((a, b) => a - b);
        expect(heap.top?.value).toBe(model[0]);
        if (each === 'remove') {
          heap.removeTop();
          model.shift();
        } else if ('push' in each) {
          heap.push({ value: each.push });
          model.push(each.push);
        } else if ('keepBelow' in each) {
          heap.keep(({ value }) => value < each.keepBelow);
          model = model.filter((value) => value < each.keepBelow);
        } else if (heap.top !== undefined) {
          heap.top.value += each.sink;
          heap.sink();
          model[0] = (model[0] ?? 0) + each.sink;
        }
        expect(heap.size).toBe(model.length);
      }
    }),
  );
});
