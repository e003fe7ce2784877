import type { Actor } from '../kernel/actor.ts';
import { disk } from '../kernel/disk.ts';
import { kernel } from '../kernel/kernel.ts';
import type { Direction, Link, Network } from '../kernel/network.ts';
import { Prng } from '../kernel/prng.ts';
import type { CoordinatorHost } from './coordinator-host.ts';
import type { Machine } from './machine.ts';
import type { FaultKind, Plan } from './plan.ts';
import type { DiskFaults } from './threads.ts';
import type { Watch } from './watch.ts';

export interface FaultTargets {
  readonly plan: Plan;
  readonly network: Network;
  readonly links: readonly Link[];
  readonly machines: readonly Machine[];
  readonly coordinator: CoordinatorHost;
  readonly diskFaults: DiskFaults;
  readonly watch: Watch;
}

/** Mean time between two strokes of a kind at full strength. */
const everyMs = 5000;

/** What goes wrong, each kind from a stream of its own, until it is time to heal. */
export class Faults {
  readonly #targets: FaultTargets;
  readonly #undo = new Set<() => void>();
  #isHealed = false;
  #isDiskFull = false;

  constructor(targets: FaultTargets) {
    this.#targets = targets;
  }

  start(): void {
    const { plan, network, diskFaults } = this.#targets;
    const { cut = 0, vanish = 0, repeat = 0, delay = 0, forgery = 0 } = plan.faults;
    Object.assign(network.faults, {
      cut: 0.02 * cut,
      vanish: 0.008 * vanish,
      repeat: 0.01 * repeat,
      delay: 0.2 * delay,
      delayMs: 4000 * delay,
      forge: 0.1 * forgery,
    });
    diskFaults.stall = 0.05 * (plan.faults['coordinator-disk-stall'] ?? 0);
    const strokes = this.#strokes();
    for (const [kind, strength] of Object.entries(plan.faults) as [FaultKind, number][]) {
      const stroke = strokes[kind];
      if (stroke !== undefined) this.#repeat(kind, strength, stroke);
    }
  }

  /** All that was done is undone; what crashed comes back by itself. */
  heal(): void {
    this.#isHealed = true;
    const { network, diskFaults, machines, coordinator } = this.#targets;
    Object.assign(network.faults, { cut: 0, vanish: 0, repeat: 0, delay: 0, delayMs: 0, forge: 0 });
    diskFaults.stall = 0;
    for (const undo of this.#undo) undo();
    for (const { engine } of machines) engine.loseNextStart(undefined);
    for (const { actor } of [...machines, coordinator]) if (actor !== undefined) kernel().thaw(actor);
  }

  #repeat(kind: FaultKind, strength: number, stroke: (random: Prng) => void): void {
    const random = new Prng(this.#targets.plan.seed, `fault ${kind}`);
    const next = () => {
      kernel().schedule(random.exponential(everyMs / strength), kernel().nature, `fault ${kind}`, () => {
        if (this.#isHealed) return;
        stroke(random);
        next();
      });
    };
    next();
  }

  /** Does something now and undoes it after a while, at the latest when all heals. */
  #while(forMs: number, begin: () => void, end: () => void): void {
    begin();
    const undo = () => {
      if (this.#undo.delete(undo)) end();
    };
    this.#undo.add(undo);
    kernel().schedule(forMs, kernel().nature, 'fault ends', undo);
  }

  #strokes(): Partial<Record<FaultKind, (random: Prng) => void>> {
    return {
      ...this.#networkStrokes(),
      ...this.#coordinatorStrokes(),
      ...this.#agentStrokes(),
      ...this.#dockerStrokes(),
    };
  }

  #networkStrokes(): Partial<Record<FaultKind, (random: Prng) => void>> {
    const { links, watch } = this.#targets;
    return {
      partition: (random) => {
        const link = random.pick(links);
        const directions = random.pick<readonly Direction[]>([['up'], ['down'], ['up', 'down']]);
        watch.fault('partition', `${link.name} ${directions.join(' and ')}`);
        for (const direction of directions) this.#cutOff(link, random.exponential(10_000), [direction]);
      },
    };
  }

  #cutOff(link: Link, forMs: number, directions: readonly Direction[] = ['up', 'down']): void {
    for (const direction of directions)
      this.#while(
        forMs,
        () => link.block(direction),
        () => link.heal(direction),
      );
  }

  #coordinatorStrokes(): Partial<Record<FaultKind, (random: Prng) => void>> {
    const { coordinator, watch } = this.#targets;
    return {
      'coordinator-crash': (random) => {
        if (coordinator.actor === undefined || random.chance(0.5)) return;
        watch.fault('coordinator crash');
        coordinator.actor.end(random.chance(0.3) ? 'power' : 'killed');
      },
      'coordinator-effect-crash': (random) => {
        if (coordinator.actor === undefined || random.chance(0.5)) return;
        watch.fault('coordinator crash at an effect');
        coordinator.actor.effectsLeft = random.below(60);
      },
      'coordinator-clock': (random) => {
        watch.fault('coordinator clock jump');
        coordinator.jumpClock(clockJump(random));
      },
      'coordinator-disk-full': (random) => {
        watch.fault('coordinator disk full');
        this.#while(
          random.exponential(4000),
          () => this.#setDiskFull(true),
          () => this.#setDiskFull(false),
        );
      },
      'store-full': (random) => {
        watch.fault('artifact store full');
        this.#while(
          // Now and then for longer than anything may wait for it.
          random.exponential(random.pick([5000, 60_000])),
          () => this.#fillStore(true),
          () => this.#fillStore(false),
        );
      },
      // What is due then waits as well, so not for longer than the auditor allows.
      'coordinator-freeze': (random) =>
        this.#freeze(coordinator.actor, Math.min(8000, random.exponential(3000))),
    };
  }

  #agentStrokes(): Partial<Record<FaultKind, (random: Prng) => void>> {
    const { machines, watch } = this.#targets;
    return {
      'agent-crash': (random) => {
        watch.fault('agent crash');
        random.pick(machines).actor?.end('killed');
      },
      'agent-effect-crash': (random) => {
        const { actor } = random.pick(machines);
        if (actor === undefined) return;
        watch.fault('agent crash at an effect');
        actor.effectsLeft = random.below(40);
      },
      'agent-clock': (random) => {
        watch.fault('agent clock jump');
        random.pick(machines).jumpClock(clockJump(random));
      },
      'agent-disk-full': (random) => {
        const { name } = random.pick(machines).plan;
        watch.fault('agent disk full', name);
        this.#while(
          random.exponential(6000),
          () => disk().setFull(name, true),
          () => disk().setFull(name, false),
        );
      },
      // Now and then for so long that its node is given up while its containers run on.
      'agent-freeze': (random) => {
        const { leaseMs } = this.#targets.plan;
        const shortMs = random.exponential(6000);
        const forMs = random.chance(0.25) ? leaseMs + 4000 + shortMs : shortMs;
        this.#freeze(random.pick(machines).actor, forMs);
      },
      'agent-restore': (random) => this.#restore(random.pick(machines), random),
      'device-ill': (random) => {
        const machine = random.pick(machines);
        const [device] = machine.plan.offer.devices;
        if (device === undefined) return;
        watch.fault('device ill', device.id);
        this.#while(
          random.exponential(20_000),
          () => machine.setHealth(device.id, 'quarantined'),
          () => machine.setHealth(device.id, 'healthy'),
        );
      },
      reboot: (random) => {
        const machine = random.pick(machines);
        watch.fault('machine loses power', machine.plan.name);
        const offMs = random.exponential(15_000);
        machine.reboot(offMs);
        // The network of a machine may come up long after the machine.
        if (random.chance(0.4)) this.#cutOff(machine.link, offMs + random.exponential(20_000));
      },
    };
  }

  #dockerStrokes(): Partial<Record<FaultKind, (random: Prng) => void>> {
    const { machines, watch } = this.#targets;
    const mood = (random: Prng, to: 'gone' | 'hanging') => {
      const { engine, plan } = random.pick(machines);
      watch.fault(`docker ${to}`, plan.name);
      this.#while(
        random.exponential(8000),
        () => engine.setMood(to),
        () => engine.setMood('well'),
      );
    };
    return {
      'docker-gone': (random) => mood(random, 'gone'),
      'docker-hang': (random) => mood(random, 'hanging'),
      'docker-kill': (random) => {
        const { engine, plan } = random.pick(machines);
        const awayMs = random.exponential(3000);
        engine.loseNextStart(() => {
          watch.fault('docker killed in a start', plan.name);
          this.#while(
            awayMs,
            () => engine.setMood('gone'),
            () => engine.setMood('well'),
          );
        });
      },
      'docker-restart': (random) => {
        const { engine, plan } = random.pick(machines);
        watch.fault('docker restart', plan.name);
        engine.loseAll();
        this.#while(
          random.exponential(2000),
          () => engine.setMood('gone'),
          () => engine.setMood('well'),
        );
      },
    };
  }

  #setDiskFull(isFull: boolean): void {
    disk().setFull('coordinator', isFull);
    this.#isDiskFull = isFull;
    this.#tellStore();
  }

  #fillStore(isFull: boolean): void {
    this.#targets.coordinator.isStoreFull = isFull;
    this.#tellStore();
  }

  #tellStore(): void {
    const isShort = this.#isDiskFull || this.#targets.coordinator.isStoreFull;
    this.#targets.watch.observe({ kind: 'store', isShort });
  }

  #freeze(actor: Actor | undefined, forMs: number): void {
    // One that is frozen stays so for as long as it was to: the auditor knows how long that is at most.
    if (actor === undefined || actor.frozenUntilMs > kernel().nowMs) return;
    this.#targets.watch.fault('process frozen', actor.name);
    kernel().freeze(actor, forMs);
  }

  /** The state folder of an earlier time comes back, as from a backup. */
  #restore(machine: Machine, random: Prng): void {
    const putBack = disk().copy(machine.stateDir);
    kernel().schedule(random.exponential(20_000), kernel().nature, `restore ${machine.plan.name}`, () => {
      if (this.#isHealed) return;
      this.#targets.watch.fault('agent with an old journal', machine.plan.name);
      this.#targets.watch.observe({ kind: 'distrust', node: machine.node });
      machine.actor?.end('killed');
      putBack();
    });
  }
}

function clockJump(random: Prng): number {
  return Math.round(
    (random.chance(0.5) ? 1 : -1) * random.exponential(random.pick([100, 20_000, 3_600_000])),
  );
}
