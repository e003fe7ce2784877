import type { Offer } from '@capacloud/protocol/capacity/resources';
import { expect, it } from 'vitest';
import { decide } from '../machine.ts';
import { consumer, jobId, Machine, nodeId, offer, provider, terms } from '../testing/harness.ts';
import type { Command } from './command.ts';

const characters = ['\u202e', '\u001b', '\0', '\ud800', '\u200b', '\n', '\u{e0041}', '\u2028'];
const device = {
  id: 'GPU-D',
  vendor: 'nvidia',
  model: 'h100',
  memoryBytes: 80 * 2 ** 30,
  health: 'suspect',
  reason: 'It fell off the bus – again.',
} as const;

const offers: readonly ((text: string) => Partial<Offer>)[] = [
  (text) => ({ devices: [{ ...device, id: text }] }),
  (text) => ({ devices: [{ ...device, model: text }] }),
  (text) => ({ devices: [{ ...device, reason: text }] }),
  (text) => ({ devices: [{ ...device, cuda: text }] }),
  (text) => ({ arch: text }),
  (text) => ({ region: text }),
  (text) => ({ labels: { tier: text } }),
  (text) => ({ labels: { [text]: 'gold' } }),
];

it.each(characters)('takes no text with %j into the public log', (character) => {
  const machine = Machine.ready();
  const at = machine.now;
  const node = nodeId(0);
  const text = `a${character}b`;
  const commands: Command[] = offers.flatMap((change): Command[] => {
    const odd = offer(change(text));
    return [
      { type: 'node.connect', at, node, provider, accepting: true, held: [], offer: odd },
      { type: 'node.connect', at, node: nodeId(7), provider, accepting: true, held: [], offer: odd },
      { type: 'node.change_offer', at, node, accepting: true, offer: odd },
    ];
  });
  commands.push(
    { type: 'job.submit', at, job: jobId(9), consumer, terms: terms({ regions: [text] }) },
    { type: 'account.credit', at, account: consumer, amountNano: 1n, ref: text },
  );
  for (const command of commands)
    expect(
      decide(machine.state, command, machine.notes),
      JSON.stringify(command, (_, each: unknown) => (typeof each === 'bigint' ? `${each}` : each)),
    ).toMatchObject({ ok: false, refusal: { code: 'request.invalid' } });
});

it('takes text of any language that is seen', () => {
  const machine = Machine.ready();
  const node = nodeId(0);
  const odd = offer({ devices: [{ ...device, reason: 'Überhitzt: 温度 95 °C' }] });
  const command = { type: 'node.change_offer', at: machine.now, node, accepting: true, offer: odd } as const;
  expect(decide(machine.state, command, machine.notes).ok).toBe(true);
});
