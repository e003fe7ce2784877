import type { DeviceRequest } from '@capacloud/protocol/capacity/resources';
import { expect, it } from 'vitest';
import { decide } from '../machine.ts';
import { decodeState, encodeState } from '../snapshot.ts';
import { consumer, hash, jobId, Machine, nodeId, offer, provider, terms } from '../testing/harness.ts';
import type { Command } from './command.ts';

const device = {
  id: 'GPU-D',
  vendor: 'nvidia',
  model: 'h100',
  memoryBytes: 80 * 2 ** 30,
  health: 'healthy',
} as const;
const twice = offer({ devices: [device, { ...device, model: 'h100-pcie' }] });
const wanting = (devices: DeviceRequest, alternatives?: DeviceRequest[]) => ({
  resources: {
    cpuMilli: 1,
    memoryBytes: 1,
    diskBytes: 0,
    shmBytes: 0,
    devices,
    ...(alternatives === undefined ? {} : { alternatives }),
  },
});

it('refuses a command that names something twice, and tells what', () => {
  const machine = Machine.ready();
  machine.submit(1);
  machine.place();
  const task = machine.task(1).id;
  const at = machine.now;
  const node = nodeId(0);
  const connect = { type: 'node.connect', at, node, provider, accepting: true, held: [] } as const;
  const submit = (change: Parameters<typeof terms>[0]): Command => ({
    type: 'job.submit',
    at,
    job: jobId(2),
    consumer,
    terms: terms(change),
  });
  const gold = { key: 'tier', operator: 'in', values: ['gold'] } as const;
  const cases: readonly (readonly [Command, string])[] = [
    [{ ...connect, offer: twice }, 'GPU-D'],
    [{ ...connect, node: nodeId(7), offer: twice }, 'GPU-D'],
    [
      {
        ...connect,
        offer: offer(),
        held: [
          { task, attempt: 1 },
          { task, attempt: 1 },
        ],
      },
      `${task} 1`,
    ],
    [{ type: 'node.change_offer', at, node, offer: twice, accepting: true }, 'GPU-D'],
    [
      {
        type: 'attempt.finish',
        at,
        node,
        task,
        attempt: 1,
        reason: 'image_wrong_platform',
        receipt: hash,
        imageRunsOn: ['arm64', 'arm64'],
        claimedRunMs: 0,
      },
      'arm64',
    ],
    [submit({ providers: [provider, provider] }), provider],
    [submit({ excludeProviders: [provider, provider] }), provider],
    [submit({ regions: ['eu', 'us', 'eu'] }), 'eu'],
    [submit({ constraints: [gold, gold] }), 'tier'],
    // The same, written in another order.
    [
      submit({ constraints: [gold, Object.fromEntries(Object.entries(gold).reverse()) as typeof gold] }),
      'tier',
    ],
    [submit({ constraints: [{ ...gold, values: ['gold', 'gold'] }] }), 'gold'],
    [submit(wanting({ count: 1, models: ['h100', 'h100'] })), 'h100'],
    [submit(wanting({ count: 1 }, [{ count: 1, models: ['t4', 't4'] }])), 't4'],
    [submit(wanting({ count: 1 }, [{ count: 2 }, { count: 2 }])), 'count'],
    [submit({ retryExitCodes: [1, 2, 1] }), '1'],
    [submit({ retryOn: ['oom', 'oom'] }), 'oom'],
  ];
  for (const [command, name] of cases) {
    const result = decide(machine.state, command, machine.notes);
    expect(result).toMatchObject({ ok: false, refusal: { code: 'request.invalid' } });
    if (!result.ok) expect(result.refusal.hint).toContain(name);
  }
});

it('takes a device once that an older log has twice', () => {
  const machine = Machine.ready(0);
  machine.connect(0);
  machine.accept({
    type: 'node.offered',
    at: machine.now,
    node: nodeId(0),
    provider,
    offer: twice,
    accepting: true,
  });
  machine.submit(1, wanting({ count: 2 }));
  expect(machine.assignments()).toEqual([]);
  machine.submit(2, wanting({ count: 1 }));
  expect(machine.assignments()).toMatchObject([{ devices: ['GPU-D'] }]);
  machine.check();
  // A snapshot of the older release has both.
  const older = JSON.parse(encodeState(machine.state)) as { nodes: { offer: unknown }[] };
  for (const each of older.nodes) each.offer = twice;
  expect(encodeState(decodeState(JSON.stringify(older)))).toBe(encodeState(machine.state));
});
