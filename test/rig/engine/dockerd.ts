import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runVariable } from '../leftovers/run-mark.ts';
import { argumentsOf, containerdProcessesOf, sendSignal, waitUntil } from '../programs/process-table.ts';
import { EngineError } from './engine-error.ts';
import type { EngineFolders } from './engine-folders.ts';
import { pingEngine } from './engine-socket.ts';

/** How long a dockerd may take to answer. A first start on a slow disk took 9 s on a machine with two cores. */
const startTimeoutMs = 90_000;
/** dockerd itself gives containers 15 s to end before it kills them. */
const stopGraceMs = 30_000;
const killGraceMs = 5000;

export const socketOf = ({ runDir }: EngineFolders): string => join(runDir, 'docker.sock');
const pidFileOf = ({ runDir }: EngineFolders): string => join(runDir, 'docker.pid');
export const logOf = ({ runDir }: EngineFolders): string => join(runDir, 'dockerd.log');

/** Starts a dockerd of our own and waits until it answers. Throws EngineError with the log's own words. */
export async function startDockerd(
  folders: EngineFolders,
  dockerd: string,
  signal: AbortSignal,
): Promise<void> {
  const { runDir, dataRoot } = folders;
  for (const folder of [runDir, dataRoot]) mkdirSync(folder, { recursive: true, mode: 0o711 });
  // What a killed run left behind: a pid file would make dockerd refuse to start.
  for (const file of [pidFileOf(folders), socketOf(folders)]) rmSync(file, { force: true });
  // An empty configuration of our own: the machine's daemon.json may name the same options.
  const configFile = join(runDir, 'daemon.json');
  writeFileSync(configFile, '{}\n');
  const log = openSync(logOf(folders), 'w');
  const args = [
    `--config-file=${configFile}`,
    `--host=unix://${socketOf(folders)}`,
    `--pidfile=${pidFileOf(folders)}`,
    `--exec-root=${join(runDir, 'exec')}`,
    `--data-root=${dataRoot}`,
  ];
  // Its own session: Ctrl-C must not reach it before the tests have tidied up.
  // Other runs may share it: it has neither the mark of the run that started it nor that one's temporary folder.
  const { [runVariable]: _mark, TMPDIR: _folder, ...env } = process.env;
  const child = spawn(dockerd, args, { detached: true, env, stdio: ['ignore', log, log] });
  child.unref();
  closeSync(log);
  const ended = watchEnd(child);
  try {
    const isUp = async (): Promise<boolean> =>
      ended() !== undefined || (await pingEngine(socketOf(folders), signal)) === 'answers';
    const inTime = await waitUntil(isUp, startTimeoutMs, signal);
    if (inTime && ended() === undefined) return;
    throw startFailure(folders, ended() ?? `gave no answer in ${startTimeoutMs / 1000} s`);
  } catch (error) {
    await stopDockerd(folders, child.pid);
    throw error;
  }
}

/** Says how the process ended, once it has. */
function watchEnd(child: ChildProcess): () => string | undefined {
  let how: string | undefined;
  child.once('error', (error) => {
    how = error.message;
  });
  child.once('exit', (code, name) => {
    how = `ended with ${name ?? `exit code ${code}`}`;
  });
  return () => how;
}

/** The last lines of the log, and the hint that fits them. */
function startFailure(folders: EngineFolders, how: string): EngineError {
  const log = existsSync(logOf(folders)) ? readFileSync(logOf(folders), 'utf8') : '';
  const tail = log.trimEnd().split('\n').slice(-8).join('\n');
  const hint = failureHints.find(({ pattern }) => pattern.test(tail))?.hint;
  return new EngineError(
    'dockerd_failed',
    `dockerd ${how}:\n${tail}`,
    hint ?? `the whole log is ${logOf(folders)}`,
  );
}

const failureHints: readonly { readonly pattern: RegExp; readonly hint: string }[] = [
  {
    pattern: /cgroup/i,
    hint: 'mount the cgroup file systems, or run this container with --privileged --cgroupns=host',
  },
  {
    pattern: /iptables|nf_tables/i,
    hint: 'the kernel offers no NAT to iptables: try `update-alternatives --set iptables /usr/sbin/iptables-legacy`, or a privileged container',
  },
  {
    pattern: /operation not permitted|permission denied/i,
    hint: 'dockerd needs a real machine or a privileged container',
  },
  { pattern: /no space left/i, hint: 'free some disk space' },
];

/**
 * Ends the dockerd of these folders and everything that belongs to it: SIGTERM, a bounded wait, SIGKILL, then
 * whatever containerd and shims are left. Processes are told by our own paths in their arguments, so that a
 * reused process id is never hit.
 */
export async function stopDockerd(folders: EngineFolders, pid = runningDockerd(folders)): Promise<void> {
  const isGone = (): boolean => pid === undefined || argumentsOf(pid) === undefined;
  if (pid !== undefined && !isGone()) {
    sendSignal(pid, 'SIGTERM');
    if (!(await waitUntil(isGone, stopGraceMs))) {
      sendSignal(pid, 'SIGKILL');
      await waitUntil(isGone, killGraceMs);
    }
  }
  // After a clean end nothing is left; after a kill, containerd, its shims and their containers are. All are
  // listed before the first signal: a container whose shim is gone can no longer be told from a stranger.
  const leftovers = containerdProcessesOf(join(folders.runDir, 'exec'));
  for (const leftover of leftovers) sendSignal(leftover, 'SIGKILL');
  await waitUntil(() => leftovers.every((leftover) => argumentsOf(leftover) === undefined), killGraceMs);
  for (const file of [pidFileOf(folders), socketOf(folders)]) rmSync(file, { force: true });
}

/** The id in our pid file, when it is a process that was started with that very file. */
function runningDockerd(folders: EngineFolders): number | undefined {
  if (!existsSync(pidFileOf(folders))) return undefined;
  const pid = Number(readFileSync(pidFileOf(folders), 'utf8'));
  return argumentsOf(pid)?.includes(`--pidfile=${pidFileOf(folders)}`) === true ? pid : undefined;
}
