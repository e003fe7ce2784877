import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withFileLock } from '../programs/file-lock.ts';
import { installPackages } from '../programs/install-packages.ts';
import { argumentsOf } from '../programs/process-table.ts';
import { findCommand, missingPackages } from '../programs/system-packages.ts';
import { repositoryRoot } from '../repository-root.ts';
import { socketOf, startDockerd, stopDockerd } from './dockerd.ts';
import { EngineError } from './engine-error.ts';
import { type EngineFolders, engineFolders } from './engine-folders.ts';
import { pingEngine, socketFromDockerHost } from './engine-socket.ts';

/** A Docker engine that answers. `stop` ends it only where this repository's scripts started it. */
export interface DockerEngine {
  readonly socketPath: string;
  readonly startedByUs: boolean;
  readonly stop: () => Promise<void>;
  /** Leaves the engine to another process: where we started it, it is ended with that one's last companion. */
  readonly handOver: (pid: number) => void;
}

/** What the search for an engine looks at; the default is this machine and this checkout. */
export interface EngineSettings {
  readonly dockerHost: string | undefined;
  readonly systemSocket: string;
  readonly folders: EngineFolders;
  /** Finds, or installs, the program to start. */
  readonly prepareDockerd: (signal: AbortSignal) => Promise<string>;
}

function machineSettings(write: (text: string) => void): EngineSettings {
  return {
    dockerHost: process.env.DOCKER_HOST,
    systemSocket: '/var/run/docker.sock',
    folders: engineFolders(repositoryRoot),
    prepareDockerd: (signal) => prepareDockerd(write, signal),
  };
}

/**
 * Gives a running Docker engine: the one that DOCKER_HOST names, the machine's, or one that is started here
 * (and installed first, as root on Debian). Runs at the same time share the one they started; the last one
 * ends it. Throws EngineError, whose hint says what a person can do.
 */
export async function ensureDockerEngine(
  signal: AbortSignal,
  settings: EngineSettings = machineSettings((text) => process.stderr.write(text)),
): Promise<DockerEngine> {
  const running = await findRunningEngine(settings, signal);
  if (running !== undefined) return running;
  const dockerd = await settings.prepareDockerd(signal);
  // Installing the package may have started the machine's own engine.
  const started = await findRunningEngine(settings, signal);
  if (started !== undefined) return started;
  return shareOwnEngine(settings.folders, dockerd, signal);
}

async function findRunningEngine(
  { dockerHost, systemSocket }: EngineSettings,
  signal: AbortSignal,
): Promise<DockerEngine | undefined> {
  const named = socketFromDockerHost(dockerHost);
  const socketPath = named ?? systemSocket;
  const answer = await pingEngine(socketPath, signal);
  signal.throwIfAborted();
  switch (answer) {
    case 'answers':
      return { socketPath, startedByUs: false, stop: () => Promise.resolve(), handOver: () => undefined };
    case 'forbidden':
      throw new EngineError(
        'engine_forbidden',
        `the Docker engine at ${socketPath} refuses this user`,
        'run as root, or join the docker group and log in again',
      );
    case 'silent':
      if (named === undefined) return undefined;
      throw new EngineError(
        'docker_host_unusable',
        `no Docker engine answers at DOCKER_HOST=${dockerHost}`,
        'start that engine, or unset DOCKER_HOST',
      );
  }
}

/** Starts our engine, or joins the one that another run of this checkout started (or left behind when killed). */
async function shareOwnEngine(
  folders: EngineFolders,
  dockerd: string,
  signal: AbortSignal,
): Promise<DockerEngine> {
  const users = join(folders.runDir, 'users');
  const me = join(users, String(process.pid));
  const lock = join(folders.runDir, 'lock');
  mkdirSync(users, { recursive: true });
  const socketPath = socketOf(folders);
  await withFileLock(lock, signal, async () => {
    if ((await pingEngine(socketPath, signal)) !== 'answers') {
      await stopDockerd(folders);
      await startDockerd(folders, dockerd, signal);
    }
    writeFileSync(me, '');
  });
  const stop = (): Promise<void> =>
    withFileLock(lock, undefined, async () => {
      rmSync(me, { force: true });
      if (liveUsers(users).length === 0) await stopDockerd(folders);
    });
  const handOver = (pid: number): void => {
    writeFileSync(join(users, String(pid)), '');
    rmSync(me, { force: true });
  };
  return { socketPath, startedByUs: true, stop, handOver };
}

/** Ends the engine of this checkout that a killed run left behind, unless another run uses it. */
export async function stopUnusedEngine(settings = machineSettings(() => undefined)): Promise<void> {
  const { folders } = settings;
  const users = join(folders.runDir, 'users');
  if (!existsSync(users)) return;
  await withFileLock(join(folders.runDir, 'lock'), undefined, async () => {
    if (liveUsers(users).length === 0) await stopDockerd(folders);
  });
}

/** Runs that still use the engine; the marks of dead ones are swept away. */
function liveUsers(users: string): readonly string[] {
  return readdirSync(users).filter((name) => {
    if (argumentsOf(Number(name)) !== undefined) return true;
    rmSync(join(users, name), { force: true });
    return false;
  });
}

/** Checks what dockerd needs before it is started, because its own messages are hard to read. */
async function prepareDockerd(write: (text: string) => void, signal: AbortSignal): Promise<string> {
  if (process.platform !== 'linux') {
    throw new EngineError(
      'not_linux',
      'no Docker engine is running',
      'start Docker Desktop, Colima or a similar engine, then run this again',
    );
  }
  if (process.getuid?.() !== 0) {
    throw new EngineError(
      'not_root',
      'no Docker engine is running, and starting one needs root',
      'start Docker, set DOCKER_HOST, or run this as root',
    );
  }
  if (!hasCgroups('/sys/fs/cgroup')) {
    throw new EngineError(
      'cgroups_missing',
      'no cgroup file system is mounted at /sys/fs/cgroup',
      'mount it (Debian: the package cgroupfs-mount), or run this container with --privileged',
    );
  }
  const missing = missingPackages('engine');
  if (missing.length > 0) await installPackages(missing, write, signal);
  const dockerd = findCommand('dockerd');
  if (dockerd === undefined)
    throw new EngineError(
      'install_failed',
      'dockerd is not on the PATH',
      'install the Debian package docker.io',
    );
  if (findCommand('iptables') === undefined) {
    throw new EngineError(
      'iptables_missing',
      'dockerd needs iptables for container networks',
      'install the Debian package iptables',
    );
  }
  return dockerd;
}

/** Version 2 has one file at the top; version 1 has a folder for each controller. */
export function hasCgroups(mountPoint: string): boolean {
  return ['cgroup.controllers', 'memory', 'devices'].some((name) => existsSync(join(mountPoint, name)));
}
