import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import { describe, expect, it } from 'vitest';
import { defaultRuleset } from '../../contract/ruleset.ts';
import { Machine, nodeId, offer } from '../../testing/harness.ts';
import { failuresInRow } from './standing.ts';

const pauseMs = 30_000;
let jobs = 0;

/** A job of its own goes to the node and ends so. */
function end(machine: Machine, reason: OutcomeReason, image = `image ${jobs}`): void {
  jobs += 1;
  machine.submit(jobs, { image, providerLost: 0, maxAttempts: 1 });
  const [assigned] = machine.wait(1).assignments();
  if (assigned === undefined) throw new Error(`nothing is placed at ${machine.now}`);
  machine.wait(1).run(machine.finish(machine.task(jobs), reason));
}

function takesWork(machine: Machine): boolean {
  jobs += 1;
  machine.submit(jobs);
  const isTaken = machine.assignments().length > 0;
  machine.cancel(jobs);
  return isTaken;
}

/** Failures of so many images in a row. */
function fail(machine: Machine, times: number): Machine {
  for (let i = 0; i < times; i++) end(machine, 'engine_lost');
  return machine;
}

describe('a node on which attempts end in a row by its own fault', () => {
  it('gets nothing new for a while, which grows with each further failure up to a bound', () => {
    const machine = fail(Machine.ready(), 2);
    expect(takesWork(machine)).toBe(true);
    const pauses: number[] = [];
    for (let i = 0; i < 9; i++) {
      fail(machine, 1);
      expect(takesWork(machine)).toBe(false);
      pauses.push(machine.node(0).standing.restUntil - machine.now);
      machine.wait((pauses.at(-1) ?? 0) - 1).tick(0);
      expect(takesWork(machine)).toBe(false);
      machine.wait(1);
    }
    expect(pauses).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600].map((seconds) => seconds * 1000));
    machine.check();
  });

  it('is found again by the tick that follows the end of its pause', () => {
    const machine = fail(Machine.ready(), 3);
    machine.submit(999);
    expect(machine.wait(pauseMs - 1).tick(0)).toEqual([]);
    expect(machine.wait(1).tick(0)).toMatchObject([{ type: 'attempt.assigned', node: nodeId(0) }]);
  });

  it('begins anew after a success, and is not blamed for the errors of jobs', () => {
    const machine = fail(Machine.ready(), 2);
    end(machine, 'exit_nonzero');
    end(machine, 'start_failed');
    end(machine, 'input_unavailable');
    expect(failuresInRow(machine.node(0).standing)).toBe(2);
    end(machine, 'completed');
    fail(machine, 2);
    expect(takesWork(machine)).toBe(true);
  });

  it('is blamed once for one mishap, however much it ran', () => {
    const machine = Machine.ready();
    for (const n of [1, 2, 3, 4]) machine.submit(n, { image: `image ${n}`, providerLost: 5 });
    expect(machine.assignments()).toHaveLength(4);
    machine.wait(1);
    for (const n of [1, 2, 3, 4]) machine.run(machine.finish(machine.task(n), 'engine_lost'));
    expect(failuresInRow(machine.node(0).standing)).toBe(1);
  });

  it('backs off over a restart of the coordinator', () => {
    const machine = fail(Machine.ready(), 3).restart().check();
    expect(takesWork(machine)).toBe(false);
    machine.restart().wait(pauseMs).tick(0);
    expect(takesWork(machine)).toBe(true);
    machine.check();
  });

  it('never does by rules of a time when no node did', () => {
    const { nodeBackoffAfter: _after, flapWindowMs: _window, ...rules } = defaultRuleset;
    const machine = fail(Machine.ready(1, {}, rules), 8);
    machine.wait(20_000).tick();
    machine.connect(0);
    expect(takesWork(machine)).toBe(true);
    expect(machine.node(0)).toMatchObject({
      standing: { endings: 0, failures: [], silences: [] },
      tries: 1,
    });
  });
});

it('does not let one image close the network: what fails on three nodes and succeeds on none explains itself', () => {
  const machine = Machine.ready(5);
  for (let i = 0; i < 40; i++) end(machine, 'image_pull_failed', 'bad');
  for (let n = 0; n < 5; n++)
    expect(machine.node(n)).toMatchObject({ isResting: false, tries: 1, standing: { failures: [] } });
  // Once it succeeds somewhere it explains nothing.
  end(machine, 'completed', 'bad');
  machine.wait(1);
  end(machine, 'image_pull_failed', 'bad');
  expect([0, 1, 2, 3, 4].flatMap((n) => machine.node(n).standing.failures)).toHaveLength(1);
});

describe('of equal nodes', () => {
  it('the one that was not silent lately is taken, as long as the other’s price is not lower by as much', () => {
    const machine = Machine.ready(2);
    const flap = () => {
      machine.wait(20_000).tick(1);
      machine.connect(0);
    };
    flap();
    flap();
    expect(machine.node(0)).toMatchObject({ status: 'ready', tries: 10 / 8 });
    machine.submit(1);
    expect(machine.assignments()).toMatchObject([{ node: nodeId(1) }]);
    const ask = { ...offer().ask, cpuHourNano: '790000' };
    machine.connect(0, { offer: offer({ ask }) });
    machine.submit(2);
    expect(machine.assignments()).toMatchObject([{ node: nodeId(0) }]);
    machine.cancel(1);
    machine.cancel(2);
    // Long ago is forgotten, and the name is as good as new.
    machine.wait(3_600_000).tick(0, 1);
    expect(machine.restart().node(0).tries).toBeGreaterThan(1);
    expect(machine.tick(0, 1)).toEqual([]);
    expect(machine.node(0).tries).toBe(1);
    machine.check();
  });

  it('the one that lost fewer attempts is taken, also where both cost nothing', () => {
    const ask = { ...offer().ask, cpuHourNano: '0' };
    const machine = Machine.ready(1, { ask });
    end(machine, 'refused');
    machine.connect(1, { offer: offer({ ask }) });
    machine.submit(500);
    expect(machine.assignments()).toMatchObject([{ node: nodeId(1) }]);
  });
});
