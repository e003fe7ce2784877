import { expect, it } from 'vitest';
import { MoneyBook, priceAnHour, priceOfRun } from './money-book.ts';
import { offer } from './story.ts';

function bookOf(task: string): MoneyBook {
  const book = new MoneyBook();
  book.open('ada');
  book.open('pat');
  book.grant('ada', 100n, 'g');
  book.hold('ada', [task], 40n);
  return book;
}

it('pays a task once, even where a second hold would cover it', () => {
  const book = bookOf('t');
  book.pay('t', 'pat', 9n, 1n);
  book.hold('ada', ['t'], 40n);
  expect(() => book.pay('t', 'pat', 9n, 1n)).toThrow('money.paid-twice');
});

it('spends a hold once, and no more than it', () => {
  const book = bookOf('t');
  expect(() => book.pay('t', 'pat', 40n, 1n)).toThrow('money.price');
  const other = bookOf('t');
  other.release('t');
  expect(() => other.release('t')).toThrow('money.holds');
  expect(() => other.hold('ada', ['u', 'u'], 1n)).toThrow('money.holds');
});

it('prices as the design says: up for the charge, down for the provider', () => {
  expect(priceOfRun(10n, 1, 100n, 300)).toEqual({ charge: 1n, pay: 0n, fee: 1n });
  expect(priceOfRun(3_600_000n, 1_000, 100n, 300)).toEqual({ charge: 100n, pay: 97n, fee: 3n });
  const ask = { cpuHourNano: '1', memoryGibHourNano: '1', diskGibHourNano: '0', deviceHourNano: '7' };
  const wanted = { cpuMilli: 1, memoryBytes: 1, diskBytes: 0, devices: { count: 2 } };
  expect(priceAnHour({ ...offer, ask }, wanted)).toBe(15n);
});
