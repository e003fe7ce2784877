import type { MoneyBook } from './money-book.ts';
import type { TableDump } from './observation.ts';
import { check } from './observation.ts';
import type { TaskBook } from './task-book.ts';

/** The accounts of the house; what they should hold is checked by the sums. */
const house = ['holds', 'fees', 'emission', 'penalties', 'custody'];

/** The tables that are served say what the log says. */
export function compareTables(tables: TableDump, money: MoneyBook, tasks: TaskBook): void {
  const seen = new Set<string>();
  for (const { account, balanceNano, heldNano } of tables.accounts) {
    if (house.includes(account)) continue;
    seen.add(account);
    const purse = money.purses.get(account);
    check(
      purse?.available === balanceNano && purse.held === heldNano,
      'tables.accounts',
      () =>
        `${account} has ${balanceNano}/${heldNano}, by the log ${purse?.available ?? '-'}/${purse?.held ?? '-'}`,
    );
  }
  for (const [account, { available, held }] of money.purses)
    check(
      seen.has(account) || (available === 0n && held === 0n),
      'tables.accounts',
      () => `${account} is missing`,
    );
  for (const { task, state } of tables.tasks) {
    const known = tasks.find(task)?.state;
    check(known === state, 'tables.tasks', () => `${task} is ${state}, by the log ${known ?? 'nothing'}`);
  }
  const count = tasks.live.size + tasks.past.size;
  check(tables.tasks.length === count, 'tables.tasks', () => `${tables.tasks.length} tasks of ${count}`);
  for (const { task } of tables.pays)
    check(money.paid.has(task), 'tables.pays', () => `${task} is paid in the tables alone`);
  const paid = new Set(tables.pays.map(({ task }) => task)).size;
  const isComplete = paid === tables.pays.length && paid === money.paid.size;
  check(isComplete, 'tables.pays', () => `${tables.pays.length} pays of ${money.paid.size}`);
}
