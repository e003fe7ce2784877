import { type TaskStateName, taskStates } from '@capacloud/protocol/routes/states';
import type { TableDump } from '../auditor/observation.ts';
import { disk } from '../kernel/disk.ts';

/** The projections as plain rows, read by statements of our own. */
export function dumpTables(path: string): TableDump {
  const { database } = disk().database(path);
  const accounts = database
    .prepare<[], { account: string; balanceNano: bigint; heldNano: bigint }>(
      'SELECT id AS account, available_nano AS balanceNano, held_nano AS heldNano FROM accounts ORDER BY num',
    )
    .safeIntegers()
    .all();
  const tasks = database
    .prepare<[], { task: string; state: number }>(
      `SELECT j.id || '.' || t.task AS task, t.state AS state FROM tasks t JOIN jobs j ON j.num = t.job`,
    )
    .all()
    .map(({ task, state }) => ({ task, state: stateName(state) }));
  const pays = database
    .prepare<[], { task: string }>(
      `SELECT j.id || '.' || p.task AS task FROM pays p JOIN jobs j ON j.num = p.job`,
    )
    .all();
  return { accounts, tasks, pays };
}

function stateName(code: number): TaskStateName {
  const name = taskStates[code];
  if (name === undefined) throw new Error(`no task state ${code}`);
  return name;
}

export function readLines(path: string): readonly string[] {
  return disk()
    .database(path)
    .database.prepare<[], string>('SELECT entries FROM log_groups ORDER BY first')
    .pluck()
    .all()
    .flatMap((entries) => entries.split('\n'));
}
