import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pingEngine } from '../engine/engine-socket.ts';
import { sendSignal, waitUntil } from '../programs/process-table.ts';
import { programPath } from '../programs/programs.ts';
import { removeFromEngine } from './engine-objects.ts';
import { freeLoopDevices } from './loop-devices.ts';
import { runVariable } from './run-mark.ts';
import type { RunRecord } from './run-record.ts';

const run = promisify(execFile);
const killPatienceMs = 20_000;
const never = new AbortController().signal;

/**
 * Removes whatever a run left on this machine: its processes first, so that nobody makes more, then containers, volumes
 * and networks, mounts, loop devices, control groups and files. What is gone already is no error.
 */
export async function sweepRun(record: RunRecord): Promise<void> {
  await endProcesses(record.id);
  for (const socket of record.sockets) {
    if ((await pingEngine(socket, never)) === 'answers')
      await removeFromEngine(socket, record.id, record.coordinators);
  }
  if (process.platform === 'linux') {
    for (const folder of record.folders) {
      await unmountBelow(folder);
      await freeLoopDevices(folder);
    }
  }
  if (record.temporaryFolder === undefined) return;
  removeGroupsOf(record.temporaryFolder);
  rmSync(record.temporaryFolder, { recursive: true, force: true, maxRetries: 3 });
}

/** Kills every process that has the run's mark in its environment, but this one, until none is left. */
async function endProcesses(id: string): Promise<void> {
  if (process.platform !== 'linux') return;
  await waitUntil(() => {
    const pids = processesOf(id);
    for (const pid of pids) sendSignal(pid, 'SIGKILL');
    return pids.length === 0;
  }, killPatienceMs);
}

/** Processes of a run, from /proc. A zombie has no environment any more. */
export function processesOf(id: string): readonly number[] {
  const mark = `${runVariable}=${id}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => environmentOf(name).includes(mark))
    .map(Number);
}

function environmentOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    // It ended while we looked, or is another user's.
    return [];
  }
}

async function unmountBelow(folder: string): Promise<void> {
  for (const point of mountsBelow(folder)) {
    const unmount = (...options: string[]) => run(programPath('umount'), [...options, point]);
    await unmount().catch(() => unmount('--lazy').catch(() => undefined));
  }
}

/** The innermost first. */
export function mountsBelow(folder: string): readonly string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .map((point) =>
      point.replaceAll(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8))),
    )
    .filter((point) => point.startsWith(`${folder}/`))
    .toReversed();
}

/** Engines of tests have a control group that is called as their folder is. */
function removeGroupsOf(folder: string): void {
  const hierarchies = '/sys/fs/cgroup';
  const engines = namesIn(folder).filter((name) => name.startsWith('cc-engine-'));
  if (engines.length === 0) return;
  for (const parent of [hierarchies, ...namesIn(hierarchies).map((name) => join(hierarchies, name))])
    for (const engine of engines) removeGroup(join(parent, engine));
}

function removeGroup(path: string): void {
  for (const name of namesIn(path)) removeGroup(join(path, name));
  try {
    rmdirSync(path);
  } catch {
    // None in this hierarchy, or a link to another one's.
  }
}

/** Names of the folders in a folder; none where there is no such folder. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}
