import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runVariable } from './run-mark.ts';
import {
  newRunId,
  type RunRecord,
  recordFile,
  removeRecord,
  staleRecords,
  startOf,
  writeRecord,
} from './run-record.ts';
import { sweepRun } from './sweep-run.ts';

export interface GuardOptions {
  /** Folders whose mounts and loop devices are the run's, besides its temporary one. */
  readonly folders?: readonly string[];
  /** Coordinators whose things on an engine are the run's. */
  readonly coordinators?: readonly string[];
}

export interface Guard {
  /** Before the first container is made on an engine. */
  noteEngine(socketPath: string): void;
  /** Removes what is left of the run until now. Before an engine of ours is stopped. */
  sweep(): Promise<void>;
  /** What the run started may stay. */
  release(): void;
}

const sweeper = fileURLToPath(new URL('sweeper.ts', import.meta.url));

/**
 * Does work that leaves nothing behind, however it ends. Whatever it starts inherits the run's mark, and its temporary files
 * lie in a folder of the run. A sweeper waits beside it and removes all that in case this process is killed; in case that
 * one was killed as well, the next run does.
 */
export async function guardRun<T>(options: GuardOptions, work: (guard: Guard) => Promise<T>): Promise<T> {
  for (const stale of staleRecords()) {
    await sweepRun(stale);
    removeRecord(stale.id);
  }
  const id = newRunId();
  const temporaryFolder = join(tmpdir(), `cc-${id}`);
  let record: RunRecord = {
    id,
    pid: process.pid,
    beganAt: startOf(process.pid) ?? '',
    folders: [temporaryFolder, ...(options.folders ?? [])],
    temporaryFolder,
    coordinators: options.coordinators ?? [],
    sockets: [],
  };
  mkdirSync(temporaryFolder);
  writeRecord(record);
  startSweeper(id);
  const before = { TMPDIR: process.env.TMPDIR, [runVariable]: process.env[runVariable] };
  Object.assign(process.env, { TMPDIR: temporaryFolder, [runVariable]: id });
  let isReleased = false;
  try {
    return await work({
      noteEngine(socketPath) {
        record = { ...record, sockets: [...record.sockets, socketPath] };
        writeRecord(record);
      },
      sweep: () => sweepRun({ ...record, temporaryFolder: undefined }),
      release() {
        isReleased = true;
        removeRecord(id);
      },
    });
  } finally {
    for (const [name, value] of Object.entries(before))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    if (!isReleased) await sweepRun(record);
    removeRecord(id);
  }
}

/** It hears of our end by that of its standard input, whatever the end was. */
function startSweeper(id: string): void {
  if (process.platform !== 'linux') return;
  const child = spawn(process.execPath, [...process.execArgv, sweeper, recordFile(id)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => undefined);
  child.unref();
  // The type says only that it can be written to.
  if (child.stdin instanceof Socket) child.stdin.unref();
}
