// Waits beside a run until that has ended (guarded-run.ts), and removes what it left behind if it could not do so itself.
import { stopUnusedEngine } from '../engine/docker-engine.ts';
import { readRecord, removeRecord } from './run-record.ts';
import { sweepRun } from './sweep-run.ts';

const [file = ''] = process.argv.slice(2);
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => undefined);
for await (const _ of process.stdin) continue;
const record = readRecord(file);
if (record !== undefined) {
  await sweepRun(record);
  await stopUnusedEngine();
  removeRecord(record.id);
}
