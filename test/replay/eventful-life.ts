import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Event, EventType } from '@capacloud/core/contract/event';
import type { AccountId } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import { plainOffer } from '@capacloud/rig/network/agent-keys';
import { createCoordinator, type LocalCoordinator } from '@capacloud/rig/network/local-network';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { loseOneOfGang, preempt, startGang } from './life/gangs.ts';
import { actOf, cancelAndExpire, endJobs, submit } from './life/jobs.ts';
import { loseNode, ruinDevices, wish } from './life/nodes.ts';
import {
  beExacting,
  jumpQueue,
  meetMisfits,
  misfit,
  share,
  takeAlternative,
  waitForLabel,
} from './life/placement.ts';
import { patience, reached, run, type Stage, submitLong } from './life/stage.ts';
import { lackRoom, leaveOutputs } from './life/storage.ts';

/** What only a fault of the coordinator itself writes: no life has it, and the tests of the core make it. */
type FaultType = 'subject.isolated' | 'subject.reinstated';
/** Every other kind of event there is; one that is added does not compile before it is here. */
const known: Readonly<Record<Exclude<EventType, FaultType>, true>> = {
  'log.opened': true,
  'ruleset.changed': true,
  'account.opened': true,
  'account.credited': true,
  'node.joined': true,
  'node.offered': true,
  'node.status_changed': true,
  'node.forgotten': true,
  'job.submitted': true,
  'job.cancelled': true,
  'image.poisoned': true,
  'task.ended': true,
  'job.settled': true,
  'attempt.assigned': true,
  'attempt.progressed': true,
  'attempt.ended': true,
  'attempt.released': true,
  'upload.held': true,
  'upload.resumed': true,
};
export const eventTypes = Object.keys(known) as EventType[];
/** The next release will have written them. */
const unreleasedTypes: readonly EventType[] = ['node.forgotten'];
export const releasedTypes = eventTypes.filter((type) => !unreleasedTypes.includes(type));

export interface EventfulLife {
  readonly coordinator: LocalCoordinator;
  /** Ends the agents and the process. */
  close(): Promise<void>;
}

const rules = {
  fee_basis_points: 300,
  unknown_after_ms: 3000,
  lease_ms: 6000,
  lost_margin_ms: 500,
  assign_timeout_ms: 4000,
  poison_nodes: 2,
  preempt_after_ms: 500,
};
const artifacts = { max_size: '4Mi', account_quota: '4Mi', total: '64Mi' };
const grantNano = 10n ** 13n;

/**
 * A real coordinator through all that its log can tell, in the chapters of `life/`, and a restart with other rules. Some
 * work is left under way, so that the state in the end is not empty. Its agents have no containers.
 */
export async function liveEventfully(dir: string): Promise<EventfulLife> {
  const coordinator = await createCoordinator({
    dir,
    name: 'eventful.test',
    settings: { log_level: 'warn', rules, artifacts },
  });
  const agents: ScriptedAgent[] = [];
  const close = async () => {
    for (const agent of agents) agent.cut();
    await coordinator.process.stop();
  };
  try {
    const stageOf = async (account: string): Promise<Stage> => {
      const { client } = await coordinator.openAccount(account as AccountId, grantNano);
      return { coordinator, client, agents };
    };
    const [ada, bob, cyd] = [await stageOf('acc_ada'), await stageOf('acc_bob'), await stageOf('acc_cyd')];
    const steady = new ScriptedAgent({ url: coordinator.url, act: actOf });
    agents.push(steady);
    await steady.connect();
    // Side by side, because all of them wait for clocks.
    const [, gang, sharing, , amd] = await Promise.all([
      liveOfShortTasks(ada, steady),
      loseOneOfGang(bob),
      share(bob),
      preempt(bob, cyd),
      meetMisfits(bob),
      takeAlternative(bob),
      waitForLabel(bob),
      jumpQueue(bob),
      leaveOutputs(cyd),
      beExacting(bob),
    ]);
    await restartWithOtherRules(dir, ada, steady);
    await leaveUnderWay(bob, { gang, sharing, amd });
    return { coordinator, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function liveOfShortTasks(
  { agents, client, coordinator }: Stage,
  steady: ScriptedAgent,
): Promise<void> {
  await endJobs(client);
  await cancelAndExpire(client);
  const fleeting = new ScriptedAgent({
    url: coordinator.url,
    act: actOf,
    // The cheapest gets the work.
    offer: { ...plainOffer, ask: { ...plainOffer.ask, cpuHourNano: '1', memoryGibHourNano: '1' } },
  });
  agents.push(fleeting);
  await loseNode(coordinator, client, steady, fleeting);
  await wish(coordinator, steady, fleeting.identity.node);
  await ruinDevices(coordinator, client, agents);
  await lackRoom(coordinator, client, steady);
}

async function restartWithOtherRules(
  dir: string,
  { agents, client, coordinator }: Stage,
  steady: ScriptedAgent,
): Promise<void> {
  const job = await submit(client, 'hold', { replicas: 2 });
  await waitUntil('the work to be there', () => steady.held.size === 2, patience);
  for (const stage of ['pulling', 'starting', 'running'] as const)
    for (const index of [0, 1]) steady.report({ task: taskIdOf(job, index), attempt: 1 }, stage);
  await reached(client, job, 'running');
  const connected = agents.filter(({ isConnected }) => isConnected);
  await coordinator.process.stop();
  const file = join(dir, 'coordinator.yaml');
  const config = await readFile(file, 'utf8');
  await writeFile(file, config.replace('fee_basis_points: 300', 'fee_basis_points: 250'));
  await coordinator.start();
  for (const agent of connected) await agent.connect();
  steady.finish({ task: taskIdOf(job, 0), attempt: 1 });
  await waitUntil(
    'one of the two tasks to be paid by the new rules',
    async () => (await client.call('getJob', { params: { job } })).tasks.succeeded === 1,
    patience,
  );
  await submit(client, 'succeed', { resources: { gpu: 1 } });
}

/** A gang and a share of a GPU run, and a job waits for nodes that its image is made for. */
async function leaveUnderWay(
  stage: Stage,
  {
    amd,
    gang,
    sharing,
  }: {
    readonly amd: ScriptedAgent;
    readonly gang: readonly ScriptedAgent[];
    readonly sharing: ScriptedAgent;
  },
): Promise<void> {
  const { client } = stage;
  await startGang(stage, gang, 1);
  const shared = await submitLong(client, { resources: { gpu: { model: 'a10', share: 0.25 } } });
  await run(client, sharing, { task: taskIdOf(shared, 0), attempt: 1 });
  const waiting = await submitLong(client, {
    image: 'made-for-arm-too',
    resources: { gpu: 'l40s' },
    placement: { providers: [amd.identity.address] },
    priority: 5,
  });
  await misfit(stage, amd, { task: taskIdOf(waiting, 0), attempt: 1 });
}

/** Entries of a log as events. */
export function parseEntries(entries: readonly string[]): readonly Event[] {
  return entries.map((entry) => JSON.parse(entry) as Event);
}
