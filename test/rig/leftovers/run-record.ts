import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../repository-root.ts';

/** What has to be known of a run to remove all that it made, whatever became of the run itself. */
export interface RunRecord {
  readonly id: string;
  readonly pid: number;
  /** When that process began, by the kernel's count: its id may be somebody else's by now. */
  readonly beganAt: string;
  /** Mounts and loop devices below these are the run's. */
  readonly folders: readonly string[];
  /** One of them, which goes with the run. */
  readonly temporaryFolder?: string | undefined;
  /** Labels of what the run made on an engine, besides those that hold its id. */
  readonly coordinators: readonly string[];
  /** Of the engines that the run used. */
  readonly sockets: readonly string[];
}

export const recordsFolder = join(repositoryRoot, '.cache', 'runs');

export const newRunId = (): string => `r${randomBytes(4).toString('hex')}`;
export const recordFile = (id: string): string => join(recordsFolder, `${id}.json`);

/** Written whole or not at all: the reader may be there because the writer was killed. */
export function writeRecord(record: RunRecord): void {
  const file = recordFile(record.id);
  mkdirSync(recordsFolder, { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(record));
  renameSync(`${file}.new`, file);
}

export const removeRecord = (id: string): void => rmSync(recordFile(id), { force: true });

/** Undefined where there is none (any more). */
export function readRecord(file: string): RunRecord | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as RunRecord;
  } catch {
    return undefined;
  }
}

/** Records of runs that ended without a word. */
export function staleRecords(): readonly RunRecord[] {
  let files: readonly string[];
  try {
    files = readdirSync(recordsFolder).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
  return files
    .map((name) => readRecord(join(recordsFolder, name)))
    .filter((record) => record !== undefined)
    .filter(({ pid, beganAt }) => startOf(pid) !== beganAt);
}

/** When a live process began; undefined when there is none with that id, or no /proc to read of it. */
export function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold anything; the 22nd field is the 20th behind it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
