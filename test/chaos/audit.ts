import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '@capacloud/client/client';
import { type LocalCoordinator } from '@capacloud/rig/network/local-network';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import type Docker from 'dockerode';
import { auditLog, type Findings } from './audit-log.ts';
import { auditMoney } from './audit-money.ts';
import { TaskAuditor } from './audit-tasks.ts';
import { findMounts } from './leftovers.ts';
import type { ExpectedJob } from './workload.ts';

export interface AuditSubject {
  readonly coordinator: LocalCoordinator;
  readonly coordinatorName: string;
  /** Of the account whose jobs these are; it has no others. */
  readonly client: Client;
  readonly jobs: readonly ExpectedJob[];
  readonly docker: Docker;
  /** Folder of the agents: nothing may stay mounted below it. */
  readonly dir: string;
  /** Except here. */
  readonly mountPoints: readonly string[];
  /** Lines of logs may be missing: a disk was full when they were written. */
  readonly lossyLogs: boolean;
}

export interface AuditReport {
  /** Everything that is not as it must be; empty when all is well. */
  readonly findings: Findings;
  readonly events: number;
  /** How often attempts ended for each reason. */
  readonly reasons: ReadonlyMap<string, number>;
  /** Attempts that ended by no doing of their program, in words. */
  readonly losses: readonly string[];
  /** How many tasks ended how: their state, with its reason where they failed. */
  readonly ends: ReadonlyMap<string, number>;
  /** Tasks that were accepted and did not end. */
  readonly lost: number;
  /** Tasks that were paid more than once. */
  readonly paidTwice: number;
}

const cleanUpMs = 45_000;
const replayMs = 30_000;

/**
 * Checks a network whose jobs have all ended: from outside, by what anybody with an account (and, for the balances of
 * others, the operator) can fetch. It trusts neither the core nor the service's tables.
 */
export async function audit(subject: AuditSubject): Promise<AuditReport> {
  const findings: Findings = [];
  const { coordinator, client } = subject;
  await auditLeftovers(subject, findings);
  const { events } = await auditLog(coordinator.operator, findings);
  const tasks = new TaskAuditor(client, events, findings, subject.lossyLogs);
  await tasks.audit(subject.jobs);
  const { paidTwice } = await auditMoney(coordinator.operator, events, tasks.succeeded, findings);
  await auditReplay(coordinator, findings);
  const accepted = subject.jobs.reduce((count, job) => count + job.tasks.length, 0);
  const ended = [...tasks.ends.values()].reduce((sum, count) => sum + count, 0);
  return {
    findings,
    events: events.length,
    reasons: tasks.reasons,
    losses: tasks.losses,
    ends: tasks.ends,
    lost: accepted - ended,
    paidTwice,
  };
}

/** Agents tidy up after a report is acknowledged, so what they hold may take a moment to go. */
async function auditLeftovers(subject: AuditSubject, findings: Findings): Promise<void> {
  let left: readonly string[] = [];
  await waitUntil(
    'the agents to tidy up',
    async () => {
      left = await findLeftovers(subject);
      return left.length === 0;
    },
    { timeoutMs: cleanUpMs, intervalMs: 250 },
  ).catch(() => findings.push(...left));
}

async function findLeftovers(subject: AuditSubject): Promise<readonly string[]> {
  const { docker, coordinatorName, dir, mountPoints } = subject;
  const filters = { label: [`capacloud.coordinator=${coordinatorName}`] };
  const containers = await docker.listContainers({ all: true, filters });
  const { Volumes } = await docker.listVolumes({ filters: JSON.stringify(filters) as never });
  // Docker 20.10 that is killed while it removes a volume keeps its name for ever: it will not remove one without a folder.
  const volumes = (Volumes ?? []).filter(({ Mountpoint }) => existsSync(Mountpoint));
  return [
    ...containers.map(({ Names, Status }) => `container ${Names.join()} is left (${Status})`),
    ...volumes.map(({ Name }) => `volume ${Name} is left`),
    ...(await findMounts(dir, mountPoints)),
  ];
}

/** The live state is what follows from the log, and from nothing else. */
async function auditReplay(coordinator: LocalCoordinator, findings: Findings): Promise<void> {
  const main = join(repositoryRoot, 'coordinator', 'service', 'dist', 'main.js');
  await waitUntil(
    'a replay of the size that is live',
    async () => {
      const live = await coordinator.operator.call('getStateHash', {});
      const args = [main, 'state-hash', '--data-dir', coordinator.dataDir];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      const replayed = JSON.parse(stdout) as { readonly size: number; readonly hash: string };
      // A node that came or went in between made the log longer.
      if (replayed.size !== live.size) return false;
      if (replayed.hash !== live.hash)
        findings.push(`a replay gives the state ${replayed.hash}; the live one is ${live.hash}`);
      return true;
    },
    { timeoutMs: replayMs, intervalMs: 500 },
  );
}
