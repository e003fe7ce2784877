import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '@capacloud/rig/programs/command';
import type { ManagedProcess } from '@capacloud/rig/programs/managed-process';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import type { SystemProgram } from '@capacloud/rig/programs/programs';
import { cpuMsOf } from '../process-usage.ts';
import { ensurePackages, freePort, startPeer, waitForPort } from './peer-process.ts';

export interface SlurmPeer {
  /** Runs so many jobs of one empty command each (an array); jobs a second, and slurmctld's CPU a job. */
  measure(jobs: number): Promise<{ readonly perSecond: number; readonly cpuUs: number }>;
  stop(): Promise<void>;
}

/** A whole Slurm on loopback: its controller, one daemon with 256 pretended cores, no accounting, no job logs. */
export async function startSlurm(dir: string, signal: AbortSignal): Promise<SlurmPeer> {
  await ensurePackages(['slurm-wlm', 'munge'], signal);
  const home = join(dir, 'slurm');
  for (const part of ['state', 'spool', 'munge']) await mkdir(join(home, part), { recursive: true });
  const ports = { controller: await freePort(), daemon: await freePort() };
  const config = join(home, 'slurm.conf');
  const key = join(home, 'munge', 'key');
  await writeFile(config, configOf(home, ports));
  await writeFile(key, Buffer.from(crypto.getRandomValues(new Uint8Array(1024))), { mode: 0o600 });
  const started: ManagedProcess[] = [];
  const stop = async () => {
    for (const peer of started.reverse()) await peer.stop();
  };
  const start = (command: SystemProgram, args: readonly string[]) => {
    const peer = startPeer(home, command, args);
    started.push(peer);
    return peer;
  };
  const run = async (command: SystemProgram, args: readonly string[]) => {
    const env = { ...process.env, SLURM_CONF: config };
    const result = await runCommand(command, args, { cwd: home, env, output: 'capture' }, signal);
    if (result.exitCode !== 0) throw new Error(`${command} failed: ${result.output}`);
    return result.output.trim();
  };
  try {
    const munge = (name: string) => join(home, 'munge', name);
    const files = ['pid', 'log', 'seed'];
    const places = files.flatMap((kind) => [`--${kind}-file`, munge(kind)]);
    start('munged', ['--foreground', '--force', '--key-file', key, '--socket', munge('socket'), ...places]);
    const controller = start('slurmctld', ['-D', '-f', config]);
    await waitForPort(controller, ports.controller, signal);
    start('slurmd', ['-D', '-f', config, '-N', hostname()]);
    await waitUntil(
      'the node of Slurm to be idle',
      async () => (await run('sinfo', ['-h', '-o', '%T'])) === 'idle',
      { timeoutMs: 30_000, intervalMs: 200, signal },
    );
    return {
      async measure(jobs) {
        const before = await cpuMsOf(controller.pid);
        const startedAt = performance.now();
        await run('sbatch', ['-Q', '-n1', `--array=1-${jobs}`, '-o', '/dev/null', '--wrap', 'true']);
        // An array that waits is one line here, so asking costs the controller little.
        await waitUntil(
          'the jobs of Slurm to end',
          async () => (await run('squeue', ['-h', '-t', 'PD,R,CG,CF', '-o', '%i'])) === '',
          { timeoutMs: 150_000, intervalMs: 500, signal },
        );
        const seconds = (performance.now() - startedAt) / 1000;
        const cpuUs = ((await cpuMsOf(controller.pid)) - before) * (1000 / jobs);
        return { perSecond: jobs / seconds, cpuUs };
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function configOf(home: string, ports: { readonly controller: number; readonly daemon: number }): string {
  const host = hostname();
  return `${[
    'ClusterName=bench',
    `SlurmctldHost=${host}(127.0.0.1)`,
    'AuthType=auth/munge',
    `AuthInfo=socket=${home}/munge/socket`,
    'CredType=cred/munge',
    'SlurmUser=root',
    'SlurmdUser=root',
    `StateSaveLocation=${home}/state`,
    `SlurmdSpoolDir=${home}/spool`,
    `SlurmctldPidFile=${home}/slurmctld.pid`,
    `SlurmdPidFile=${home}/slurmd.pid`,
    `SlurmctldPort=${ports.controller}`,
    `SlurmdPort=${ports.daemon}`,
    'SlurmctldDebug=error',
    'SlurmdDebug=error',
    'ProctrackType=proctrack/linuxproc',
    'TaskPlugin=task/none',
    'SelectType=select/cons_tres',
    'SelectTypeParameters=CR_CPU',
    'SchedulerType=sched/builtin',
    'SchedulerParameters=batch_sched_delay=0,sched_min_interval=1000,sched_interval=1,default_queue_depth=50000,partition_job_depth=0,max_sched_time=5',
    'JobCompType=jobcomp/none',
    'AccountingStorageType=accounting_storage/none',
    'JobAcctGatherType=jobacct_gather/none',
    'MaxJobCount=50000',
    'MinJobAge=10',
    'MaxArraySize=20001',
    'MpiDefault=none',
    'ReturnToService=2',
    `NodeName=${host} NodeAddr=127.0.0.1 CPUs=256 RealMemory=8000 State=UNKNOWN`,
    `PartitionName=bench Nodes=${host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO`,
    'SlurmdParameters=config_overrides',
  ].join('\n')}\n`;
}
