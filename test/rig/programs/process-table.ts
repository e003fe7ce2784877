import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  readonly args: readonly string[];
}

/** Every live process of this machine, from /proc. Zombies and kernel threads have no arguments and are left out. */
function listProcesses(): readonly ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const args = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').slice(0, -1);
      const parentPid = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]);
      if (args.length > 0) entries.push({ pid: Number(name), parentPid, args });
    } catch {
      // It ended while we looked.
    }
  }
  return entries;
}

/**
 * Ids of containerd and its kin (shims, runc) that were started with `path` or something below it in an argument,
 * and of all their descendants.
 */
export function containerdProcessesOf(path: string): readonly number[] {
  const entries = listProcesses();
  const isBelow = (arg: string): boolean => arg === path || arg.startsWith(`${path}/`);
  const isOurs = ({ args: [program = '', ...args] }: ProcessEntry): boolean =>
    /^(containerd|runc)/.test(basename(program)) &&
    args.some((arg) => isBelow(arg.slice(arg.indexOf('=') + 1)));
  const found = new Set(entries.filter(isOurs).map(({ pid }) => pid));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parentPid } of entries) if (found.has(parentPid)) found.add(pid);
  }
  return [...found];
}

/** The arguments of a live process; undefined when there is none with that id. */
export function argumentsOf(pid: number): readonly string[] | undefined {
  return listProcesses().find((entry) => entry.pid === pid)?.args;
}

/** Sends a signal; false when the process is gone already. */
export function sendSignal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

/** Waits until `condition` holds, asking every 50 ms. False when `timeoutMs` passed first. Rejects on abort. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await sleep(50, undefined, signal === undefined ? {} : { signal });
  }
  return true;
}
