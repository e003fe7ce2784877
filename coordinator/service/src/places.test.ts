import { describe, expect, it } from 'vitest';
import { type Place, Places } from './places.ts';

function tableOf(bounds: { total: number; perAddress: number; known: number }) {
  const gone: string[] = [];
  const places = new Places<Place & { name: string }>(bounds, ({ name }) => gone.push(name));
  const enter = (name: string, address?: string, isKnown = false) => {
    const place = { name, address, isKnown };
    return places.enter(place) ? place : undefined;
  };
  return { places, gone, enter };
}

describe('Places', () => {
  it('takes the place that was idle longest, at the address that is full', () => {
    const { places, gone, enter } = tableOf({ total: 10, perAddress: 2, known: 0 });
    const [other, first, second] = [enter('other', 'b'), enter('first', 'a'), enter('second', 'a')];
    places.hold(first as Place & { name: string });
    expect(enter('third', 'a')).toBeDefined();
    expect(gone).toEqual(['second']);
    places.rest(first as never);
    enter('fourth', 'a');
    enter('fifth', 'a');
    expect(gone).toEqual(['second', 'third', 'first']);
    expect([other, second].map((place) => place?.name)).toEqual(['other', 'second']);
    expect(places.total).toBe(3);
  });

  it('takes no place that is held', () => {
    const { places, enter } = tableOf({ total: 3, perAddress: 2, known: 1 });
    for (const address of ['a', 'a', 'b']) places.hold(enter(address, address) as never);
    expect(enter('more', 'a')).toBeUndefined();
    expect(enter('more', 'c')).toBeUndefined();
    expect(enter('more', 'c', true)).toBeUndefined();
    expect(places.total).toBe(3);
  });

  it('takes strangers’ places before those of known addresses, of which some are safe', () => {
    const { gone, enter } = tableOf({ total: 4, perAddress: 4, known: 2 });
    for (const name of ['k1', 'k2', 'k3']) enter(name, name, true);
    enter('s1', 's1');
    enter('s2', 's2');
    expect(gone).toEqual(['s1']);
    enter('k4', 'k4', true);
    expect(gone).toEqual(['s1', 's2']);
    // More known ones than are safe, so the stranger gets a place, and the next one takes it from that stranger.
    enter('s3', 's3');
    enter('s4', 's4');
    expect(gone).toEqual(['s1', 's2', 'k1', 's3']);
    enter('k5', 'k5', true);
    enter('k6', 'k6', true);
    expect(gone).toEqual(['s1', 's2', 'k1', 's3', 's4', 'k2']);
  });

  it('gives every place back once, whatever became of it', () => {
    const { places, enter } = tableOf({ total: 2, perAddress: 1, known: 0 });
    const first = enter('first', 'a') as Place & { name: string };
    places.promote(first);
    // It still counts in all, and its address has room again.
    const second = enter('second', 'a') as Place & { name: string };
    places.rest(first);
    for (const place of [first, second, second, first]) places.leave(place);
    places.rest(second);
    expect(places.total).toBe(0);
    for (const name of ['third', 'fourth', 'fifth']) expect(enter(name)).toBeDefined();
    expect(places.total).toBe(2);
  });
});
