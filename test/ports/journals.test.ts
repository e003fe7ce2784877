import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDatabase } from '@capacloud/agent/journal/schema';
import { SqliteJournal } from '@capacloud/agent/journal/sqlite-journal';
import { nextMessage } from '@capacloud/rig/programs/child-answer';
import { afterAll, beforeAll } from 'vitest';
import type { SimAnswer, SimQuestion } from '../sim/run/messages.ts';
import { describeJournal } from './describe-port.ts';

describeJournal('the journal on a disk', async ({ check }) => {
  const folder = mkdtempSync(join(tmpdir(), 'capacloud-journal-'));
  const opened: { close(): void }[] = [];
  let database: ReturnType<typeof openDatabase> | undefined;
  try {
    await check({
      open(coordinator, firstId = 0) {
        database = openDatabase(join(folder, 'journal.db'));
        const journal = new SqliteJournal(database, coordinator, firstId);
        opened.push(journal);
        return journal;
      },
      // SQLite refuses writes as it does where the disk has no room.
      setDiskFull: (isFull) => void database?.pragma(`query_only = ${isFull ? 1 : 0}`),
    });
  } finally {
    for (const journal of opened) journal.close();
    rmSync(folder, { recursive: true });
  }
});

let simulation: ChildProcess;
beforeAll(async () => {
  const entry = fileURLToPath(new URL('../sim/sim-process.ts', import.meta.url));
  simulation = fork(entry, { execArgv: ['--conditions=@capacloud/source'], stdio: 'inherit' });
  await nextMessage<SimAnswer>(simulation, 'the simulating process');
});
afterAll(() => simulation.disconnect());

for (const journal of ['kept', 'lying'] as const)
  describeJournal(
    {
      kept: 'the journal on a simulated disk',
      lying: 'the journal of an agent that lies, while it does not',
    }[journal],
    async ({ rule }) => {
      simulation.send({ kind: 'check journal', journal, rule } satisfies SimQuestion);
      const answer = await nextMessage<SimAnswer>(simulation, 'the simulating process');
      if (answer.kind !== 'checked') throw new Error('an answer to another question');
      if (answer.broken !== undefined) throw new Error(answer.broken);
    },
  );
