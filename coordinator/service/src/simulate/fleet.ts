import type { FinishAttempt, ReportProgress } from '@capacloud/core/contract/command';
import type { AttemptAssigned, AttemptEnded, Event } from '@capacloud/core/contract/event';
import type { State } from '@capacloud/core/state';
import type { Ask, Offer } from '@capacloud/protocol/capacity/resources';
import type { NodeId, Sha256Hex } from '@capacloud/protocol/ids';
import { jobIdOf, taskIndexOf } from '@capacloud/protocol/ids';
import type { Agenda } from './agenda.ts';
import type { Arrivals } from './arrivals.ts';
import { type AttemptCourse, drawCourse, drawRunMs } from './attempt-course.ts';
import type { CoreDriver } from './core-driver.ts';
import { Draws } from './draws.ts';
import { numberedAccount, numberedNode } from './numbered-ids.ts';
import type { NodeGroup } from './scenario/scenario.ts';
import { type HeldAttempt, NodeContact, SimulatedNode } from './simulated-node.ts';

/** From the wish of the coordinator until the container is gone. */
const stopMs = 1000;
const secondMs = 1000;
const killed = 137;
/** No agent signs here. */
const noReceipt = '0'.repeat(64) as Sha256Hex;

interface FleetParts {
  readonly seed: number;
  readonly groups: readonly NodeGroup[];
  readonly agenda: Agenda;
  readonly core: CoreDriver;
  readonly arrivals: Arrivals;
  readonly contacts: Map<NodeId, NodeContact>;
}

/** The nodes with their agents: they come, run what they are given, report it, fall silent and come back. */
export class Fleet {
  readonly #parts: FleetParts;
  readonly #nodes = new Map<NodeId, SimulatedNode>();

  constructor(parts: FleetParts) {
    this.#parts = parts;
  }

  start(): void {
    const { agenda, core, groups, seed } = this.#parts;
    let count = 0;
    for (const [groupIndex, group] of groups.entries()) {
      for (const [index, offer] of group.offers.entries()) {
        count += 1;
        const draws = new Draws(seed, `node ${group.name} ${index}`);
        const provider = numberedAccount('provider', groupIndex, index % group.providers);
        const own = offerOfNode(offer, count, 1 + group.askSpread * (2 * draws.next() - 1));
        const node = new SimulatedNode(numberedNode(count), provider, group, own, draws);
        this.#nodes.set(node.id, node);
        const joinsAt = core.now + group.joinsAfterMs + Math.round(group.joinsOverMs * draws.next());
        agenda.plan(joinsAt, () => this.#join(node));
      }
    }
  }

  before(state: State, event: Event): void {
    if (event.type === 'attempt.ended' && !event.released)
      this.#stop(state.tasks.get(event.task)?.node, event);
  }

  after(event: Event): void {
    if (event.type === 'attempt.assigned') this.#begin(event);
  }

  #join(node: SimulatedNode): void {
    this.#parts.contacts.set(node.id, new NodeContact(this.#parts.core));
    node.isUp = true;
    this.#connect(node);
    this.#planOutage(node);
  }

  #connect({ held, id, offer, provider }: SimulatedNode): void {
    const { core } = this.#parts;
    const attempts = [...held.values()].map(({ attempt, task }) => ({ attempt, task }));
    core.must({
      type: 'node.connect',
      at: core.now,
      node: id,
      provider,
      offer,
      accepting: true,
      held: attempts,
    });
  }

  #planOutage(node: SimulatedNode): void {
    const { agenda, core } = this.#parts;
    const { availability } = node.group;
    if (availability === undefined) return;
    const upMs = node.draws.exponentialMs(availability.upMs);
    agenda.plan(Math.round(core.now + upMs), () => this.#goDown(node, availability.fault));
  }

  #goDown(node: SimulatedNode, fault: 'machine' | 'network'): void {
    const { agenda, contacts, core } = this.#parts;
    const { leaseMs, lostMarginMs, unknownAfterMs } = core.state.ruleset;
    node.isUp = false;
    node.outages += 1;
    contacts.get(node.id)?.fallSilent();
    const outage = node.outages;
    if (fault === 'machine') node.held.clear();
    else {
      agenda.plan(core.now + leaseMs, () => {
        if (!node.isUp && node.outages === outage) this.#lapse(node);
      });
    }
    for (const silentMs of [unknownAfterMs, leaseMs + lostMarginMs]) {
      const tickAt = Math.ceil((core.now + silentMs) / secondMs) * secondMs;
      agenda.plan(tickAt, () => core.tick());
    }
    const downMs = node.draws.exponentialMs(node.group.availability?.downMs ?? 0);
    agenda.plan(Math.round(core.now + downMs), () => this.#comeBack(node));
  }

  /** Without contact for as long as its leases last, an agent stops its containers. */
  #lapse(node: SimulatedNode): void {
    const { now } = this.#parts.core;
    for (const held of node.held.values()) {
      const runMs = held.stage === 'running' ? now - held.startedAt : 0;
      held.end ??= { reason: 'lease_lapsed', exitCode: killed, runMs };
    }
  }

  #comeBack(node: SimulatedNode): void {
    const { contacts, core } = this.#parts;
    node.isUp = true;
    contacts.get(node.id)?.speakAgain();
    this.#connect(node);
    for (const held of node.held.values()) this.#report(node, held);
    // What it was given while it was silent is sent again.
    for (const { attempt, task: id } of core.state.nodes.get(node.id)?.occupied.values() ?? []) {
      const task = core.state.tasks.get(id);
      if (task?.state === 'assigned' && task.attempt === attempt && !node.held.has(id))
        this.#begin({ node: node.id, task: id, attempt });
    }
    this.#planOutage(node);
  }

  #begin({ attempt, node: nodeId, task }: Pick<AttemptAssigned, 'node' | 'task' | 'attempt'>): void {
    const { agenda, arrivals, core, seed } = this.#parts;
    const node = this.#nodes.get(nodeId);
    const work = arrivals.job(jobIdOf(task));
    if (node === undefined || work === undefined) throw new Error(`${task} is assigned out of nothing`);
    if (!node.isUp) return;
    const { draw, jobClass, shape } = work;
    const index = taskIndexOf(task);
    const wholeMs = drawRunMs(jobClass, shape, new Draws(seed, `task ${draw} ${index}`));
    const draws = new Draws(seed, `attempt ${draw} ${index} ${attempt}`);
    const course = drawCourse(jobClass, shape, node.group, wholeMs, draws);
    const held: HeldAttempt = { task, attempt, stage: 'assigned', startedAt: 0, end: undefined };
    node.held.set(task, held);
    agenda.plan(core.now, () => {
      if (course.setupMs > 0) this.#enter(node, held, 'pulling');
      agenda.plan(core.now + course.setupMs, () => this.#run(node, held, course));
    });
  }

  #run(node: SimulatedNode, held: HeldAttempt, { exitCode, reason, runMs }: AttemptCourse): void {
    const { agenda, core } = this.#parts;
    if (held.end !== undefined) return;
    held.startedAt = core.now;
    this.#enter(node, held, 'running');
    agenda.plan(core.now + runMs, () => {
      if (held.end !== undefined) return;
      held.end = { reason, exitCode, runMs };
      this.#report(node, held);
    });
  }

  #enter(node: SimulatedNode, held: HeldAttempt, stage: 'pulling' | 'running'): void {
    if (held.end !== undefined) return;
    held.stage = stage;
    this.#report(node, held);
  }

  /** Ends what the coordinator has given up; a node that does not hear it says so when it is back. */
  #stop(nodeId: NodeId | undefined, { attempt, task }: AttemptEnded): void {
    const { agenda, core } = this.#parts;
    const node = nodeId === undefined ? undefined : this.#nodes.get(nodeId);
    agenda.plan(core.now + stopMs, () => {
      const held = node?.held.get(task);
      if (node?.isUp === true && held?.attempt === attempt) this.#drop(node, held);
    });
  }

  #drop(node: SimulatedNode, held: HeldAttempt): void {
    held.end ??= { reason: 'stopped', exitCode: killed, runMs: 0 };
    this.#report(node, held);
  }

  /** Tells what became of the attempt, if anybody hears it and it is still this node's. */
  #report(node: SimulatedNode, held: HeldAttempt): void {
    if (!node.isUp || node.held.get(held.task) !== held) return;
    const { core } = this.#parts;
    const { attempt, end, stage, task } = held;
    const about = { at: core.now, node: node.id, task, attempt };
    if (end === undefined) {
      if (stage === 'assigned') return;
      if (!this.#hears({ type: 'attempt.progress', ...about, stage })) this.#drop(node, held);
      return;
    }
    node.held.delete(task);
    const { exitCode, reason, runMs: claimedRunMs } = end;
    this.#hears({
      type: 'attempt.finish',
      ...about,
      reason,
      exitCode,
      claimedRunMs,
      receipt: noReceipt,
    });
  }

  /** False when the attempt is not the node's any more, and what it says comes too late. */
  #hears(report: ReportProgress | FinishAttempt): boolean {
    const result = this.#parts.core.submit(report);
    if (result.ok) return true;
    const { code, message } = result.refusal;
    if (code === 'attempt.fenced' || code === 'attempt.unknown') return false;
    throw new Error(`${report.type}: ${code} ${message}`);
  }
}

/** With devices and prices of its own. */
function offerOfNode(offer: Offer, n: number, factor: number): Offer {
  const price = (nano: string): string =>
    factor === 1 ? nano : `${BigInt(Math.round(Number(nano) * factor))}`;
  return {
    ...offer,
    ask: Object.fromEntries(Object.entries(offer.ask).map(([key, nano]) => [key, price(nano)])) as Ask,
    devices: offer.devices.map((device) => ({ ...device, id: `${device.id}-${n}` })),
  };
}
