import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hasEngine } from '@capacloud/rig/engine/real-parts';
import { dockerSocket } from '@capacloud/rig/images/engine-images';
import { type RunRecord, readRecord, recordFile, recordsFolder } from '@capacloud/rig/leftovers/run-record';
import { mountsBelow, processesOf } from '@capacloud/rig/leftovers/sweep-run';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { programPath } from '@capacloud/rig/programs/programs';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import Docker from 'dockerode';
import { expect, it, onTestFinished } from 'vitest';

const patience = { timeoutMs: 240_000, intervalMs: 200 };
const docker = new Docker({ socketPath: dockerSocket });

/** Processes of tests and of the demo, and a network of kill -9 and of power cuts to be interrupted. */
const killing = ['run', 'test:long', '--', 'test/chaos/kill-agent'];
const cutting = ['run', 'test:long', '--', 'test/chaos/kill-engine'];
const demo = ['run', 'demo'];

interface Interrupted {
  /** npm, which leads a process group as a shell's job does. */
  readonly npm: ChildProcess;
  readonly record: RunRecord;
}

type Blow = (run: Interrupted) => void;
const toGroup =
  (signal: NodeJS.Signals): Blow =>
  ({ npm }) =>
    process.kill(-(npm.pid ?? Number.NaN), signal);
const toNpm =
  (signal: NodeJS.Signals): Blow =>
  ({ npm }) =>
    npm.kill(signal);
const toScript =
  (signal: NodeJS.Signals): Blow =>
  ({ record }) =>
    process.kill(record.pid, signal);

const records = () => (existsSync(recordsFolder) ? readdirSync(recordsFolder) : []);

/** Starts a command of this checkout as somebody in a shell does, and waits until it has made something. */
async function startRun(args: readonly string[]): Promise<Interrupted> {
  const before = new Set(records());
  const { CAPACLOUD_RUN: _run, TMPDIR: _folder, ...env } = process.env;
  const npm = spawn(programPath('npm'), args, { cwd: repositoryRoot, env, detached: true, stdio: 'ignore' });
  onTestFinished(() => void npm.kill('SIGKILL'));
  const record = await waitUntil(
    'the record of the run',
    () => {
      expect(npm.exitCode).toBeNull();
      const file = records().find((name) => name.endsWith('.json') && !before.has(name));
      return file === undefined ? undefined : readRecord(join(recordsFolder, file));
    },
    patience,
  );
  await waitUntil(
    'something to be left behind',
    async () => {
      expect(npm.exitCode).toBeNull();
      const made = await madeBy(record);
      return args === cutting ? made.folders > 0 && made.processes > 12 : made.onEngine > 2;
    },
    patience,
  );
  return { npm, record };
}

async function madeBy({ id, folders, coordinators }: RunRecord) {
  const isOurs = (labels: Readonly<Record<string, string>> | undefined) =>
    Object.values(labels ?? {}).some((label) => label.includes(id) || coordinators.includes(label));
  const containers = await docker.listContainers({ all: true });
  const { Volumes: volumes } = await docker.listVolumes();
  return {
    processes: processesOf(id).length,
    onEngine: [...containers, ...(volumes ?? [])].filter(({ Labels }) => isOurs(Labels)).length,
    mounts: folders.flatMap(mountsBelow).length,
    folders: folders.filter((folder) => folder.includes(id) && existsSync(folder)).length,
    record: existsSync(recordFile(id)),
  };
}

const nothing = { processes: 0, onEngine: 0, mounts: 0, folders: 0, record: false };

it.skipIf(!hasEngine()).each<[string, readonly string[], string, Blow]>([
  ['Ctrl-C', killing, 'tests', toGroup('SIGINT')],
  ['SIGTERM for npm alone', killing, 'tests', toNpm('SIGTERM')],
  ['SIGHUP for npm alone', killing, 'tests', toNpm('SIGHUP')],
  ['kill -9 of npm alone', killing, 'tests', toNpm('SIGKILL')],
  ['kill -9 of the run itself', cutting, 'tests with engines of their own', toScript('SIGKILL')],
  ['kill -9 of the whole group', killing, 'tests', toGroup('SIGKILL')],
  ['SIGHUP of the whole group', demo, 'a demo', toGroup('SIGHUP')],
  ['kill -9 of the whole group', demo, 'a demo', toGroup('SIGKILL')],
])('%s (npm %j) leaves nothing of %s', async (_name, args, _what, strike) => {
  const run = await startRun(args);
  strike(run);
  await expect.poll(() => madeBy(run.record), { timeout: 120_000, interval: 300 }).toEqual(nothing);
});
