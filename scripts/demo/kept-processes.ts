import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { argumentsOf } from '@capacloud/rig/programs/process-table';

/** What a demo left running on purpose (or by being killed), so that a later one can end it. */
interface KeptProcess {
  readonly pid: number;
  readonly name: string;
  /** Part of its command line: a process id may have been given to somebody else since. */
  readonly marker: string;
}

export async function noteProcesses(file: string, processes: readonly KeptProcess[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(processes));
}

/** Ends what the file names and still runs, and returns the names. */
export async function endKeptProcesses(file: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch(() => '[]');
  const ended: string[] = [];
  for (const { pid, name, marker } of JSON.parse(text) as KeptProcess[]) {
    if (!isOurs(pid, marker)) continue;
    process.kill(pid, 'SIGTERM');
    for (let i = 0; i < 100 && isOurs(pid, marker); i++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    if (isOurs(pid, marker)) process.kill(pid, 'SIGKILL');
    ended.push(name);
  }
  await rm(file, { force: true });
  return ended;
}

function isOurs(pid: number, marker: string): boolean {
  return argumentsOf(pid)?.some((argument) => argument.includes(marker)) === true;
}
