import type { LabelConstraint } from '@capacloud/protocol/capacity/labels';
import { expect, it } from 'vitest';
import { Machine, offer } from '../../testing/harness.ts';
import { isInRegion, meets } from './labels.ts';

const labelled = offer({
  region: 'eu-central',
  labels: { tier: 'gold', gpus: '8', driver: 'v550', arch: 'vax' },
});

it.each<[string, LabelConstraint['operator'], string[], boolean]>([
  ['tier', 'in', ['silver', 'gold'], true],
  ['tier', 'in', ['silver'], false],
  ['none', 'in', ['gold'], false],
  ['tier', 'not_in', ['silver'], true],
  ['tier', 'not_in', ['gold'], false],
  ['none', 'not_in', ['gold'], true],
  ['tier', 'exists', [], true],
  ['none', 'exists', [], false],
  ['tier', 'not_exists', [], false],
  ['none', 'not_exists', [], true],
  ['gpus', 'gt', ['7'], true],
  ['gpus', 'gt', ['8'], false],
  ['gpus', 'lt', ['10'], true],
  ['gpus', 'lt', ['8'], false],
  ['driver', 'gt', ['1'], false],
  ['none', 'lt', ['1'], false],
  // What the offer says of itself, whatever a label of that name says.
  ['arch', 'in', ['amd64'], true],
  ['region', 'in', ['eu-central'], true],
  ['constructor', 'exists', [], false],
])('%s %s %j: %s', (key, operator, values, expected) => {
  expect(meets(labelled, { key, operator, values })).toBe(expected);
});

it('is in a region only when its owner says so', () => {
  expect(isInRegion(labelled, ['us-east', 'eu-central'])).toBe(true);
  expect(isInRegion(labelled, ['us-east'])).toBe(false);
  expect(isInRegion(offer(), ['us-east'])).toBe(false);
  expect(isInRegion(offer(), undefined)).toBe(true);
});

it('sends a task only where all of its constraints hold, also after a restart', () => {
  const machine = Machine.ready(0);
  machine.connect(0, { offer: offer({ region: 'us-east', labels: { tier: 'gold' } }) });
  machine.connect(1, { offer: offer({ region: 'eu-central', labels: { tier: 'lead' } }) });
  machine.connect(2, { offer: offer({ region: 'eu-central', labels: { tier: 'gold' }, slots: 1 }) });
  machine.submit(1, {
    tasks: 2,
    regions: ['eu-central'],
    constraints: [{ key: 'tier', operator: 'not_in', values: ['lead'] }],
  });
  expect(machine.assignments()).toMatchObject([{ node: machine.node(2).id }]);
  // Equal but for the wishes: another queue.
  machine.submit(2);
  expect(machine.restart().check().assignments()).toHaveLength(1);
  expect(machine.task(1, 1).state).toBe('queued');
  machine.connect(0, { offer: offer({ region: 'eu-central' }) });
  expect(machine.assignments()).toMatchObject([{ node: machine.node(0).id, task: machine.task(1, 1).id }]);
});
