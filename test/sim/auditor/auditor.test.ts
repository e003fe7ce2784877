import { expect, it } from 'vitest';
import { Auditor } from './auditor.ts';
import type { Rule, TableDump } from './observation.ts';
import {
  ada,
  device,
  epochMs,
  job,
  node,
  nonce,
  offer,
  other,
  pat,
  ruleBrokenBy,
  ruleset,
  Story,
  task,
  terms,
} from './story.ts';

/** The first will do there, the second will not. */
const two = { resources: { ...job.resources, alternatives: [{ count: 1, models: ['h100'] }] } };
const clockEnd = { reason: 'run_timeout', exitCode: undefined, receipt: undefined, released: false };
const requeued = { kind: 'requeued', budget: 'provider', notBefore: 1_000_000 + 2_000_000 };
const [silentMs, pauseMs] = [66_000, 1_000];

/** The node was not heard any more: its attempt is given up and goes to the other one. */
function lose(story: Story): Story {
  story.wait(16_000).commit({ type: 'node.status_changed', node, to: 'unknown', cause: 'silent' });
  return story.hear({ type: 'heartbeat', n: 1 }, other).wait(silentMs - 16_000);
}
function giveUp(story: Story): Story {
  const then = { kind: 'requeued', budget: 'provider', notBefore: 1_000_000 + story.nowMs + pauseMs };
  return story
    .end({ reason: 'node_lost', exitCode: undefined, receipt: undefined, then })
    .commit({ type: 'node.status_changed', node, to: 'lost', cause: 'lease_lapsed' });
}

const tables = (change: Partial<TableDump> = {}): TableDump => ({
  accounts: [
    { account: ada, balanceNano: 4_997_000n, heldNano: 0n },
    { account: pat, balanceNano: 2_910n, heldNano: 0n },
    { account: 'holds', balanceNano: 0n, heldNano: 0n },
  ],
  tasks: [{ task, state: 'succeeded' }],
  pays: [{ task }],
  ...change,
});

const good: Readonly<Record<string, () => Story>> = {
  'a life that ends in a pay': () => new Story().live(),
  'tables that say the same': () => new Story().live().tell({ kind: 'tables', tables: tables() }),
  'a restart': () =>
    new Story()
      .live()
      .tell({ kind: 'stopped', coordinator: 0 })
      .tell({ kind: 'restarted', coordinator: 0, size: 18, stateHash: 'x', tables: tables() }),
  'a job that is cancelled while it runs': () =>
    new Story()
      .run()
      .commit({ type: 'job.cancelled', job: job.job })
      .say({ type: 'stop', attempts: [{ task, attempt: 1 }] })
      .container('ended')
      .receipt({ reason: 'stopped' })
      .commit({ type: 'attempt.released', task, attempt: 1, node })
      .ack()
      .settle({ cancelled: 1 }),
  'a task that waits too long': () =>
    new Story()
      .open()
      .submit()
      .pass(600_000)
      .commit({ type: 'task.ended', task, outcome: 'expired', reason: 'queue_timeout' })
      .settle({ expired: 1 }),
  'a receipt that does not hold fails its attempt': () =>
    new Story()
      .run()
      .receipt({ nonce: '0'.repeat(32) })
      .end({ reason: 'agent_failed', then: { ...requeued, notBefore: 1_000_000 + 2_000 } })
      .container('ended')
      .wait(2_000)
      .assign(2, other)
      .wait(1_000)
      .receipt({}, other, 2)
      .end({ attempt: 2 })
      .settle(),
  'a lost node, and its task on another one': () => {
    const story = lose(new Story().run().container('ended'));
    return giveUp(story)
      .wait(pauseMs)
      .assign(2, other)
      .wait(1_000)
      .receipt({}, other, 2)
      .end({ attempt: 2 })
      .settle();
  },
};

it('finds nothing wrong with a node that says what the job wishes, nor with its second choice', () => {
  const story = new Story()
    .open()
    .submit({
      regions: ['us-east', 'eu-central'],
      constraints: [
        { key: 'tier', operator: 'in', values: ['gold'] },
        { key: 'spot', operator: 'not_in', values: ['yes'] },
        { key: 'rack', operator: 'gt', values: ['11'] },
        { key: 'rack', operator: 'lt', values: ['100'] },
        { key: 'arch', operator: 'exists', values: [] },
      ],
      resources: { ...job.resources, devices: { count: 2 }, alternatives: [{ count: 1 }] },
    })
    .assign(1, node, { alternative: 1 });
  expect(ruleBrokenBy(story, false)).toBeUndefined();
});

it.each(Object.entries(good))('finds nothing wrong with %s', (_, tell) => {
  expect(ruleBrokenBy(tell(), true)).toBeUndefined();
});

/** One thing that cannot be, and the rule that must find it. */
const bad: readonly (readonly [Rule, string, () => Story])[] = [
  ['log.gap', 'an entry is left out', () => Object.assign(new Story().open(), { size: 99 }).submit()],
  ['log.order', 'time runs backwards', () => new Story().open().submit({ at: 5 })],
  [
    'log.shape',
    'a log without its opening',
    () => new Story().commit({ type: 'account.opened', account: ada }),
  ],
  [
    'log.shape',
    'an account is opened twice',
    () => new Story().open().commit({ type: 'account.opened', account: ada }),
  ],
  [
    'log.rewritten',
    'another entry is read back',
    () => new Story().open().tell({ kind: 'log', coordinator: 0, first: 1, lines: ['{}'] }),
  ],
  [
    'log.lost',
    'a restart forgets',
    () => new Story().open().tell({ kind: 'restarted', coordinator: 0, size: 9, stateHash: 'x' }),
  ],
  [
    'log.replay',
    'a replay gives another state',
    () =>
      new Story()
        .open()
        .tell({ kind: 'digest', size: 10, stateHash: 'x' })
        .tell({ kind: 'restarted', coordinator: 0, size: 10, stateHash: 'y' }),
  ],
  [
    'money.grant',
    'a grant happens twice',
    () => new Story().open().commit({ type: 'account.credited', account: ada, amountNano: '5', ref: 'g1' }),
  ],
  ['money.overdrawn', 'more is held than is there', () => new Story().open().submit({ holdNano: '5000001' })],
  [
    'money.price',
    'another rate than was asked',
    () => new Story().open().submit().assign(1, node, { rateNano: '1' }),
  ],
  ['money.price', 'too much is charged', () => new Story().run().receipt().end({}, { chargeNano: '3001' })],
  [
    'money.price',
    'the provider gets the rounding',
    () => new Story().run().receipt().end({}, { payNano: '2911' }),
  ],
  [
    'money.price',
    'more is metered than ran',
    () => new Story().run().receipt().end({}, { meteredMs: 1_001 }),
  ],
  [
    'money.price',
    'less is metered than was claimed',
    () =>
      new Story()
        .run()
        .receipt()
        .end({}, { meteredMs: 900, chargeNano: '2700', payNano: '2619', feeNano: '81' }),
  ],
  [
    'money.paid-unearned',
    'a failure is paid',
    () =>
      new Story()
        .run()
        .receipt({ reason: 'exit_nonzero', exitCode: 1 })
        .end({ reason: 'exit_nonzero', exitCode: 1 }),
  ],
  ['money.paid-unearned', 'a pay without a receipt', () => new Story().run().end({ receipt: undefined })],
  [
    'money.paid-unearned',
    'a lie is paid',
    () =>
      new Story()
        .run()
        .tell({ kind: 'distrust', node })
        .tell({ kind: 'ran', task, attempt: 1, node, succeeded: false })
        .receipt()
        .end(),
  ],
  ['task.number', 'a task is paid twice', () => new Story().run().receipt().end().end()],
  [
    'node.state',
    'a node leaps',
    () => new Story().open().commit({ type: 'node.status_changed', node, to: 'gone', cause: 'x' }),
  ],
  [
    'node.state',
    'work for a node that takes none',
    () =>
      new Story()
        .open()
        .submit()
        .commit({ type: 'node.offered', node, provider: pat, offer, accepting: false })
        .assign(),
  ],
  [
    'node.occupied',
    'what is not held is let go of',
    () => new Story().run().commit({ type: 'attempt.released', task: 'job_a.7', attempt: 1, node }),
  ],
  ['node.lost-early', 'a node is given up too soon by the log', () => giveUp(new Story().run())],
  [
    'node.lost-early',
    'a node is given up while a lease that was acknowledged holds',
    () =>
      giveUp(
        new Story()
          .run()
          .container('ended')
          .wait(16_000)
          .commit({ type: 'node.status_changed', node, to: 'unknown', cause: 'silent' })
          .heartbeat(1, node, 3)
          .heartbeat(1, other)
          .wait(50_000),
      ),
  ],
  ['node.lost-late', 'a silent node stays', () => new Story().open().wait(80_000)],
  [
    'capacity.room',
    'too much memory',
    () =>
      new Story()
        .open()
        .submit({ resources: { ...job.resources, memoryBytes: 2 ** 32 } })
        .assign(),
  ],
  [
    'capacity.device',
    'a device is given twice',
    () =>
      new Story()
        .run()
        .submit({ job: 'job_b' })
        .commit({
          type: 'attempt.assigned',
          task: 'job_b.0',
          attempt: 1,
          node,
          devices: [device.id],
          rateNano: '10800000',
        }),
  ],
  [
    'capacity.device',
    'a device that is not there',
    () =>
      new Story()
        .open()
        .submit()
        .assign(1, node, { devices: ['GPU-2'] }),
  ],
  [
    'capacity.terms',
    'a provider that is not wanted',
    () =>
      new Story()
        .open()
        .submit({ excludeProviders: [pat] })
        .assign(),
  ],
  [
    'capacity.terms',
    'above the ceiling',
    () => new Story().open().submit({ maxRateNano: '10799999' }).assign(),
  ],
  [
    'capacity.terms',
    'another region',
    () =>
      new Story()
        .open()
        .submit({ regions: ['us-east'] })
        .assign(),
  ],
  ...(
    [
      ['in', 'tier', ['lead']],
      ['not_in', 'tier', ['gold']],
      ['exists', 'spot', []],
      ['not_exists', 'tier', []],
      ['gt', 'rack', ['12']],
      ['lt', 'rack', ['12']],
      ['gt', 'tier', ['1']],
      ['in', 'region', ['us-east']],
      ['in', 'arch', ['arm64']],
    ] as const
  ).map(
    ([operator, key, values]) =>
      [
        'capacity.terms',
        `a label that is not ${operator}`,
        () =>
          new Story()
            .open()
            .submit({ constraints: [{ key, operator, values }] })
            .assign(),
      ] as const,
  ),
  [
    'capacity.terms',
    'an alternative that the job does not have',
    () => new Story().open().submit(two).assign(1, node, { alternative: 2 }),
  ],
  [
    'capacity.device',
    'what another alternative asks for',
    () => new Story().open().submit(two).assign(1, node, { alternative: 1 }),
  ],
  [
    'money.price',
    'the price of another alternative',
    () =>
      new Story()
        .open()
        .submit({ resources: { ...job.resources, alternatives: [{ count: 1, shareMilli: 500 }] } })
        .assign(1, node, { alternative: 1 }),
  ],
  [
    'said.assignment',
    'sent by another alternative',
    () =>
      new Story().run().say({
        type: 'assign',
        assignments: [{ task, attempt: 1, nonce, resources: { devices: { count: 2 } } }],
      }),
  ],
  ['task.state', 'a task is assigned twice', () => new Story().run().assign(2, other)],
  ['task.state', 'a stage goes back', () => new Story().run().report('pulling')],
  ['task.number', 'an attempt is passed over', () => new Story().open().submit().assign(2)],
  [
    'task.retry',
    'a failure without its second try',
    () =>
      new Story()
        .run()
        .receipt({ reason: 'exit_nonzero', exitCode: 1 })
        .end({ reason: 'exit_nonzero', exitCode: 1, then: { kind: 'failed' } }),
  ],
  [
    'task.retry',
    'no pause before the next try',
    () => {
      const story = new Story().run().receipt({ reason: 'upload_failed' });
      return story.end({
        reason: 'upload_failed',
        then: { ...requeued, notBefore: 1_000_000 + story.nowMs },
      });
    },
  ],
  [
    'task.clock',
    'a try before its pause is over',
    () =>
      new Story()
        .run()
        .receipt({ reason: 'upload_failed' })
        .end({ reason: 'upload_failed', then: { ...requeued, notBefore: 1_000_000 + 2_000 } })
        .assign(2, other),
  ],
  [
    'task.clock',
    'a run is cut short',
    () => new Story().run().end({ ...clockEnd, then: { kind: 'failed' } }),
  ],
  [
    'task.clock',
    'a task that waited too long is assigned',
    () => new Story().open().submit().pass(600_000).assign(),
  ],
  [
    'task.state',
    'a wait is cut short',
    () =>
      new Story()
        .open()
        .submit()
        .commit({ type: 'task.ended', task, outcome: 'expired', reason: 'queue_timeout' }),
  ],
  [
    'task.gang',
    'a part of a gang that starts',
    () => new Story().open().submit({ tasks: 2, gang: true }).assign(),
  ],
  [
    'task.gang',
    'a task that is stopped with a gang of which none failed',
    () =>
      new Story().run().commit({
        type: 'attempt.ended',
        task,
        attempt: 1,
        reason: 'gang_stopped',
        released: false,
        then: { kind: 'failed' },
      }),
  ],
  [
    'task.limbo',
    'an attempt that nobody looks after',
    () => new Story().open().submit().assign().pass(75_000, 5_000),
  ],
  [
    'task.limbo',
    'an attempt that nobody looks after while its node comes and goes',
    () =>
      new Story()
        .open()
        .submit()
        .assign()
        .pass(60_000 + 65_000)
        .wait(11_000),
  ],
  [
    'task.clock',
    'a clock ends an attempt before its node can have come back',
    () => {
      const story = new Story()
        .open()
        .submit()
        .assign()
        .tell({ kind: 'stopped', coordinator: 0 })
        .wait(200_000)
        .tell({ kind: 'restarted', coordinator: 0, size: 12, stateHash: 'x' })
        .wait(10_000);
      const then = { ...requeued, notBefore: epochMs + story.nowMs + pauseMs };
      return story.end({ ...clockEnd, reason: 'assignment_timeout', then });
    },
  ],
  [
    'job.state',
    'a job is settled with other counts',
    () => new Story().run().receipt().end().settle({ failed: 1 }),
  ],
  ['job.state', 'a job is settled before its end', () => new Story().run().settle({})],
  ['receipt.source', 'an end that no node told', () => new Story().run().end()],
  ['receipt.source', 'an end that another node told', () => new Story().run().receipt({}, other).end()],
  ['receipt.source', 'a forged signature', () => new Story().run().receipt({}, node, 1, false).end()],
  [
    'receipt.source',
    'another nonce',
    () =>
      new Story()
        .run()
        .receipt({ nonce: '0'.repeat(32) })
        .end(),
  ],
  [
    'receipt.source',
    'an out-of-memory that completed',
    () => new Story().run().receipt({ oomKilled: true }).end(),
  ],
  [
    'receipt.source',
    'an output that never came',
    () =>
      new Story()
        .run()
        .receipt({ outputs: [{ sha256: 'a', sizeBytes: 1 }] })
        .end(),
  ],
  [
    'receipt.source',
    'an honest receipt that is refused',
    () =>
      new Story()
        .run()
        .receipt()
        .end({ reason: 'agent_failed', then: { ...requeued, notBefore: 1_002_000 } }),
  ],
  [
    'said.assignment',
    'an assignment before its entry',
    () =>
      new Story()
        .open()
        .submit()
        .say({ type: 'assign', assignments: [{ task, attempt: 1, nonce }] }),
  ],
  [
    'said.assignment',
    'an assignment of another node',
    () => new Story().run().say({ type: 'assign', assignments: [{ task, attempt: 1, nonce }] }, other),
  ],
  [
    'said.welcome',
    'a welcome before its entry',
    () => new Story().open().say({ type: 'welcome', leaseMs: 1, desired: [] }, 'node_3'),
  ],
  [
    'said.welcome',
    'a welcome that leaves out what should run',
    () => new Story().run().say({ type: 'welcome', leaseMs: 1, desired: [] }, node, 'b'),
  ],
  [
    'said.welcome',
    'a welcome that wants too much',
    () => new Story().open().say({ type: 'welcome', leaseMs: 1, desired: [{ task, attempt: 1 }] }, node, 'b'),
  ],
  [
    'said.stop',
    'a stop of what should run',
    () => new Story().run().say({ type: 'stop', attempts: [{ task, attempt: 1 }] }),
  ],
  [
    'said.acknowledgement',
    'a receipt is acknowledged before its entry',
    () => new Story().run().receipt().ack(),
  ],
  [
    'said.acknowledgement',
    'progress is acknowledged before its entry',
    () =>
      new Story()
        .run()
        .hear({ type: 'report', items: [{ kind: 'progress', id: 9, task, attempt: 1, stage: 'uploading' }] })
        .say({ type: 'ack', report: 9, heartbeat: 0 }),
  ],
  [
    'said.acknowledgement',
    'a report that never came',
    () => new Story().run().say({ type: 'ack', report: 7, heartbeat: 0 }),
  ],
  [
    'said.acknowledgement',
    'a heartbeat that never came',
    () => new Story().run().say({ type: 'ack', report: 3, heartbeat: 4 }),
  ],
  [
    'said.client',
    'a job that is not in the log',
    () =>
      new Story().open().tell({
        kind: 'said',
        to: 'client',
        frame: { type: 'submitted', account: ada, key: 'k', job: 'job_x' },
      }),
  ],
  [
    'said.client',
    'an end that is not in the log',
    () =>
      new Story()
        .run()
        .tell({ kind: 'said', to: 'client', frame: { type: 'task', task, state: 'succeeded' } }),
  ],
  [
    'said.client',
    'a cancel that is not in the log',
    () => new Story().run().tell({ kind: 'said', to: 'client', frame: { type: 'cancelled', job: job.job } }),
  ],
  [
    'said.client',
    'an entry that is not there',
    () => new Story().open().tell({ kind: 'said', to: 'client', frame: { type: 'outcome', index: 10 } }),
  ],
  [
    'job.key',
    'a second job for a key',
    () =>
      new Story()
        .open()
        .submit()
        .submit({ job: 'job_b' })
        .tell({
          kind: 'said',
          to: 'client',
          frame: { type: 'submitted', account: ada, key: 'key of job_a', job: 'job_b' },
        }),
  ],
  [
    'job.unclaimed',
    'a job that nobody asked for',
    () => {
      const story = new Story().live();
      story.told.splice(
        story.told.findIndex((each) => each.kind === 'said' && each.to === 'client'),
        1,
      );
      return story;
    },
  ],
  [
    'run.unassigned',
    'a container without an assignment',
    () => new Story().open().submit().container('started'),
  ],
  ['run.twice', 'two containers of one attempt', () => new Story().run().container('started')],
  [
    'run.spins',
    'an agent that fails at the same thing again and again',
    () => {
      const story = new Story().run();
      for (let n = 0; n < 26; n++) story.wait(30).tell({ kind: 'complaint', node, instance: 0 });
      return story;
    },
  ],
  [
    'run.twice',
    'a second attempt beside the first, whose node was given up',
    () => {
      const story = new Story().open().submit().assign().report('pulling').container('started');
      giveUp(lose(story.report('running').wait(1_000)))
        .wait(pauseMs)
        .commit({ type: 'node.forgotten', node, cause: 'unproven' })
        .wait(10_000);
      return story.assign(2, other).container('started', 2, other);
    },
  ],
  [
    'run.device',
    'two containers on one device',
    () =>
      new Story()
        .run()
        .commit({ type: 'job.cancelled', job: job.job })
        .receipt({ reason: 'stopped' })
        .commit({ type: 'attempt.released', task, attempt: 1, node })
        .submit({ job: 'job_b' })
        .assign(1, node, { task: 'job_b.0' })
        .tell({
          kind: 'container',
          node,
          instance: 0,
          task: 'job_b.0',
          attempt: 1,
          change: 'started',
          devices: ['GPU-1'],
          atMs: 1_000,
        }),
  ],
  ['run.lease', 'a container without a lease', () => new Story().run().wait(56_000)],
  [
    'run.lease',
    'a container that starts without a lease',
    () => new Story().run().container('ended').pass(56_000).container('started'),
  ],
  [
    'lease.too-long',
    'an agent that believes in more than it was granted',
    () => new Story().run().lease(60_100),
  ],
  [
    'run.unwanted',
    'a container that nobody wants',
    () => {
      const story = new Story().open().submit({ runTimeoutMs: 1e6 }).assign().container('started');
      story.report('running').commit({ type: 'job.cancelled', job: job.job });
      return story.say({ type: 'stop', attempts: [{ task, attempt: 1 }] }).pass(140_000);
    },
  ],
  [
    'task.state',
    'what a node says that it holds is given up',
    () =>
      new Story()
        .run()
        .hear({ type: 'hello', attempts: [{ task, attempt: 1 }] })
        .hear({ type: 'hello', attempts: [{ task, attempt: 1 }] })
        .hear({ type: 'hello', attempts: [{ task, attempt: 1 }] })
        .hear({ type: 'hello', attempts: [{ task, attempt: 1 }] })
        .end({
          reason: 'agent_failed',
          exitCode: undefined,
          receipt: undefined,
          then: { ...requeued, notBefore: 1_002_000 },
        }),
  ],
  [
    'run.clock',
    'a container that never ends',
    () => {
      const story = new Story().run();
      for (let n = 1; n < 6; n++)
        story
          .heartbeat(n, node, 3)
          .heartbeat(n, other)
          .lease(story.nowMs + 60_000)
          .wait(25_000);
      return story;
    },
  ],
  [
    'tables.accounts',
    'another balance',
    () =>
      new Story().live().tell({
        kind: 'tables',
        tables: tables({ accounts: [{ account: ada, balanceNano: 1n, heldNano: 0n }] }),
      }),
  ],
  [
    'tables.accounts',
    'a missing account',
    () => new Story().live().tell({ kind: 'tables', tables: tables({ accounts: [] }) }),
  ],
  [
    'tables.tasks',
    'another state',
    () => new Story().live().tell({ kind: 'tables', tables: tables({ tasks: [{ task, state: 'failed' }] }) }),
  ],
  [
    'tables.tasks',
    'a missing task',
    () => new Story().live().tell({ kind: 'tables', tables: tables({ tasks: [] }) }),
  ],
  [
    'tables.pays',
    'a pay too many',
    () => new Story().live().tell({ kind: 'tables', tables: tables({ pays: [{ task }, { task }] }) }),
  ],
  [
    'tables.pays',
    'a missing pay',
    () => new Story().live().tell({ kind: 'tables', tables: tables({ pays: [] }) }),
  ],
  ['settled.tasks', 'a task that never ends', () => new Story().run()],
  ['settled.tasks', 'a job that is never settled', () => new Story().run().receipt().end()],
  ['settled.containers', 'a container that is left', () => new Story().run().receipt().end().settle()],
];

it.each(bad)('%s: %s', (rule, _, tell) => {
  expect(ruleBrokenBy(tell(), true)).toBe(rule);
});

it('counts what there was', () => {
  const auditor = new Auditor(terms);
  for (const observation of new Story().live().told) auditor.observe(observation);
  expect(auditor.summary()).toMatchObject({ jobs: 1, pays: 1, succeeded: 1, failed: 0 });
});

it('goes by the rules of the log', () => {
  const changed = { type: 'ruleset.changed', ruleset: { ...ruleset, feeBasisPoints: 0 } };
  const story = new Story().run().commit(changed).receipt();
  expect(ruleBrokenBy(story.end({}, { payNano: '3000', feeNano: '0' }), false)).toBeUndefined();
});
