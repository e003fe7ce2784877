import type { Device, Offer } from '@capacloud/protocol/capacity/resources';
import type { AccountId } from '@capacloud/protocol/ids';
import { offerLimits } from '@capacloud/protocol/wire/offer-size';
import { describe, expect, it } from 'vitest';
import { defaultRuleset, type Ruleset } from '../../contract/ruleset.ts';
import { stateHash } from '../../snapshot.ts';
import { Machine, nodeId, offer, only, provider, terms, types } from '../../testing/harness.ts';

const lostMs = 65_000;
const rules = (change: Partial<Ruleset> = {}): Ruleset => ({ ...defaultRuleset, ...change });
const { maxAwayNodes: _away, maxUnprovenNodes: _unproven, ...oldRules } = defaultRuleset;

/** A task succeeds on the node, at the price that it asks. */
function prove(machine: Machine, job: number): void {
  machine.submit(job);
  machine.place();
  machine.run(machine.progress(machine.task(job), 'running'));
  machine.wait(60_000);
  machine.run(machine.finish(machine.task(job), 'completed', 60_000));
}

/** What a place keeps of a node beside its record. */
function traces({ notes, state }: Machine) {
  notes.follow(state);
  return {
    nodes: state.nodes.size,
    unproven: state.unproven.size,
    offers: state.offers.size,
    askClasses: state.askClasses.size,
    open: state.openNodes.size,
    clocks: state.nodeClocks.size,
    rows: notes.table.nodes.filter((node) => node !== undefined).length,
    accounts: state.accounts.size,
  };
}

function forgotten(machine: Machine, ...heard: number[]): readonly (readonly [number, string])[] {
  return only(machine.tick(...heard), 'node.forgotten').map(({ node, cause }) => [
    Number.parseInt(node.slice(5), 16),
    cause,
  ]);
}

describe('a node for whose work nothing was paid', () => {
  it('is forgotten with everything that is known of it once it is lost, and joins again', () => {
    const machine = Machine.ready(0);
    machine.connect(0, { offer: offer({ arch: 'arm64' }) });
    const before = traces(machine);
    for (let n = 1; n <= 50; n++)
      machine.connect(n, {
        offer: offer({ cpuMilli: n, ask: { ...offer().ask, cpuHourNano: `${n}` } }),
      });
    machine.wait(lostMs).tick(0);
    expect(forgotten(machine, 0)).toHaveLength(50);
    expect(traces(machine.check())).toEqual(before);
    expect(forgotten(machine, 0)).toEqual([]);
    expect(types(machine.connect(7))).toEqual(['node.joined', 'node.offered', 'node.status_changed']);
    // Rows of the scheduler's table are used again.
    expect(machine.notes.table.nodes).toHaveLength(51);
    machine.submit(1, { tasks: 8 });
    expect(only(machine.place(), 'attempt.assigned')).toHaveLength(8);
    machine.check();
  });

  it('stays while it is only silent, and while the operator wishes something of it', () => {
    const machine = Machine.ready(2);
    machine.run({ type: 'node.direct', at: machine.now, node: nodeId(1), to: 'cordon' });
    machine.wait(20_000).tick();
    expect(forgotten(machine)).toEqual([]);
    machine.wait(lostMs).tick();
    expect(forgotten(machine)).toEqual([[0, 'unproven']]);
    expect(machine.node(1).directive).toBe('cordon');
  });

  it('is forgotten after attempts that failed, succeeded for nothing, or are still awaited elsewhere', () => {
    const machine = Machine.ready(0);
    machine.connect(0, { offer: offer({ ask: { ...offer().ask, cpuHourNano: '0' } }) });
    prove(machine, 1);
    machine.submit(2);
    machine.place();
    machine.run(machine.finish(machine.task(2), 'engine_lost'));
    machine.submit(3);
    machine.wait(60_000).tick(0);
    expect(machine.task(3).state).toBe('assigned');
    machine.wait(lostMs).tick();
    expect(forgotten(machine)).toEqual([[0, 'unproven']]);
    expect(machine.check().task(3)).toMatchObject({ state: 'queued', avoid: [nodeId(0)] });
  });

  it('is told apart by what was paid, also after a restart', () => {
    const machine = Machine.ready(1);
    prove(machine, 1);
    machine.connect(1, { offer: offer({ slots: 3 }) });
    machine.restart().wait(lostMs).tick();
    expect(forgotten(machine)).toEqual([[1, 'unproven']]);
    expect(machine.check().node(0)).toMatchObject({ status: 'lost', isProven: true });
  });
});

describe('the bound of unproven nodes', () => {
  it('makes newcomers take the room of those that are silent, the longest first, and refuses them else', () => {
    const machine = Machine.ready(4, {}, rules({ maxUnprovenNodes: 4 }));
    const join = {
      type: 'node.connect',
      at: 0,
      provider,
      offer: offer(),
      accepting: true,
      held: [],
    } as const;
    const late = { ...join, at: machine.now, node: nodeId(9) };
    const before = stateHash(machine.state);
    expect(machine.refusal(late)).toBe('service.overloaded');
    expect(stateHash(machine.state)).toBe(before);
    // Those that are known come back as before.
    expect(machine.connect(3, { accepting: false })).toMatchObject([{}, { to: 'cordoned' }]);
    machine.wait(15_000).tick(0, 2, 3);
    machine.wait(1000).tick(0, 3);
    machine.wait(15_000).tick(0, 3);
    expect(only(machine.connect(9), 'node.forgotten')).toMatchObject([
      { node: nodeId(1), cause: 'replaced' },
      { node: nodeId(2), cause: 'replaced' },
    ]);
    expect(machine.check().state.unproven.size).toBe(3);
  });

  it('spares a node that holds an attempt, and does not count what was paid', () => {
    const machine = Machine.ready(1, {}, rules({ maxUnprovenNodes: 1 }));
    machine.submit(1);
    machine.place();
    machine.wait(20_000).tick();
    expect(machine.node(0).status).toBe('unknown');
    const late = {
      type: 'node.connect',
      at: machine.now,
      node: nodeId(9),
      provider,
      offer: offer(),
    } as const;
    expect(machine.refusal({ ...late, accepting: true, held: [] })).toBe('service.overloaded');
    machine.connect(0);
    machine.run(machine.finish(machine.task(1), 'completed', 60_000));
    expect(machine.node(0).isProven).toBe(true);
    expect(types(machine.connect(9))).toContain('node.joined');
    machine.check();
  });
});

it('keeps so many nodes that are lost, the latest of those that were paid', () => {
  const machine = Machine.ready(0, {}, rules({ maxAwayNodes: 2 }));
  for (let n = 0; n < 4; n++) {
    machine.connect(n);
    prove(machine, n + 1);
    machine.wait(lostMs).tick();
  }
  // The one that was lost last is in the loop of the next tick.
  machine.tick();
  expect([...machine.state.nodes.keys()]).toEqual([nodeId(2), nodeId(3)]);
  machine.check();
});

it('does nothing of it by rules that do not ask, and takes earlier successes for paid when they begin to', () => {
  const machine = Machine.ready(2, { slots: 1 }, oldRules);
  prove(machine, 1);
  machine.wait(lostMs).tick();
  machine.wait(lostMs).tick();
  expect(machine.state.nodes.size).toBe(2);
  const text = JSON.stringify(machine.log);
  expect(text).not.toContain('node.forgotten');
  machine.run({ type: 'ruleset.change', at: machine.now, ruleset: defaultRuleset });
  expect(forgotten(machine)).toHaveLength(1);
  expect([...machine.state.nodes.values()]).toMatchObject([{ isProven: true }]);
  machine.check();
});

describe('offers', () => {
  const device = (n: number, change: Partial<Device> = {}): Device => ({
    id: `GPU-${String(n).padStart(36, '0')}`,
    vendor: 'nvidia',
    model: 'a100-sxm4-80gb',
    memoryBytes: 2 ** 36,
    computeCapability: '8.0',
    cuda: '12.4',
    health: 'healthy',
    ...change,
  });
  const labels = Object.fromEntries(
    Array.from({ length: 16 }, (_, n) => [`l${n}`.padEnd(63, 'k'), 'v'.repeat(63)]),
  );
  const machineOf = (...devices: Device[]): Offer => offer({ devices, labels });

  it('are kept once where they are equal, for as long as a node has them', () => {
    const machine = Machine.ready(3, { arch: 'arm64' });
    const [first, second, third] = machine.state.nodes.values();
    expect(first?.offer).toBe(second?.offer);
    expect(machine.state.offers.size).toBe(1);
    machine.connect(1, { offer: offer({ slots: 2 }) });
    expect(machine.state.offers.size).toBe(2);
    expect(third?.offer).toBe(first?.offer);
    machine.restart();
    const [again, , other] = machine.state.nodes.values();
    expect(other?.offer).toBe(again?.offer);
    expect(machine.check().state.offers.size).toBe(2);
    expect(Object.isFrozen(again?.offer.ask)).toBe(true);
  });

  it('of 64 GPUs of one machine are taken, and larger ones are not', () => {
    const machine = Machine.ready(0);
    const gpus = Array.from({ length: 64 }, (_, n) => device(n, { shareable: true }));
    machine.connect(0, { offer: machineOf(...gpus) });
    const tooLarge = [
      machineOf(...gpus.map((gpu, n) => ({ ...gpu, model: `${n}`.padEnd(96, 'm') }))),
      offer({ devices: gpus.slice(0, 17).map((gpu, n) => ({ ...gpu, memoryBytes: n })) }),
      machineOf(...gpus.map((gpu) => ({ ...gpu, reason: 'r'.repeat(200) }))),
      machineOf(...gpus.map((gpu) => ({ ...gpu, id: gpu.id.padEnd(96, 'x'), model: 'm'.repeat(96) }))),
    ];
    const at = machine.now;
    for (const large of tooLarge) {
      const change = { at, node: nodeId(0), offer: large, accepting: true };
      expect(machine.refusal({ ...change, type: 'node.change_offer' })).toBe('frame.too_large');
      const joining = { ...change, node: nodeId(1), provider: 'acc_x' as AccountId, held: [] };
      expect(machine.refusal({ ...joining, type: 'node.connect' })).toBe('frame.too_large');
    }
    expect(offerLimits.describedBytes).toBe(8192);
    machine.submit(1, { resources: { ...terms().resources, devices: { count: 64 } } });
    expect(only(machine.place(), 'attempt.assigned')[0]?.devices).toHaveLength(64);
  });
});
