import { writeSync } from 'node:fs';
import { Workload } from './workload.ts';

/** Runs tasks until it is killed, and says what was acknowledged: `log.size` after every group, with one line each. */
const work = await Workload.open(process.argv[2] ?? '');
work.follow();
const size = work.store.log.size();
if (size === 0) await work.prepare(8);
for (;;) {
  const outcomes = await Promise.all([work.submitJob(1), work.submitJob(20), work.submitJob(3)]);
  for (const outcome of outcomes) {
    if (!outcome.ok) throw new Error(outcome.refusal.message);
    writeSync(1, `${outcome.events.at(-1)?.index}\n`);
  }
}
