import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endless, startCoordinator, type TestCoordinator } from '../testing/test-coordinator.ts';
import { LongLooks, lookLimits, weightOfLook } from './long-looks.ts';

const never = new AbortController().signal;

describe('looks at the whole network', () => {
  it('go on one at a time, in the order of their callers', async () => {
    const looks = new LongLooks();
    const seen: string[] = [];
    let running = 0;
    const look = (name: string) => async () => {
      expect(++running).toBe(1);
      await nextTurn();
      seen.push(name);
      running -= 1;
      return name;
    };
    const all = ['a', 'b', 'a', 'c'].map((name) => looks.run(name, never, look(name)));
    expect(await Promise.all(all)).toMatchObject(['a', 'b', 'a', 'c'].map((value) => ({ ok: true, value })));
    expect(seen).toEqual(['a', 'b', 'a', 'c']);
  });

  it('are bounded by caller and in all, and one that fails or is given up holds nobody up', async () => {
    const looks = new LongLooks();
    const gone = new AbortController();
    const hold = Promise.withResolvers<string>();
    const first = looks.run('a', never, () => hold.promise);
    const failing = looks.run('a', never, () => Promise.reject(new Error('it fails')));
    const left = looks.run('a', gone.signal, () => Promise.resolve('left'));
    const last = looks.run('a', never, () => Promise.resolve('last'));
    const many = await looks.run('a', never, () => Promise.resolve('too many'));
    expect(many).toMatchObject({ ok: false, refusal: { code: 'request.rate_limited' } });
    const others = Array.from({ length: lookLimits.waiting - 4 }, (_, n) =>
      looks.run(`other ${n}`, never, () => Promise.resolve(n)),
    );
    const full = await looks.run('b', never, () => Promise.resolve('full'));
    expect(full).toMatchObject({ ok: false, refusal: { code: 'service.overloaded' } });
    gone.abort();
    hold.resolve('first');
    await expect(failing).rejects.toThrow('it fails');
    await expect(left).rejects.toThrow('aborted');
    expect([await first, await last]).toMatchObject([{ value: 'first' }, { value: 'last' }]);
    await Promise.all(others);
    expect(await looks.run('a', never, () => Promise.resolve('again'))).toMatchObject({ value: 'again' });
  });

  it('weigh what they look at', () => {
    expect([0, 1, 50, 51, 10_000].map(weightOfLook)).toEqual([0, 1, 1, 2, 200]);
  });
});

describe('why a task waits', () => {
  let coordinator: TestCoordinator;
  beforeEach(async () => {
    coordinator = await startCoordinator({
      config: {
        rates: {
          account: { perSecond: 100, burst: 1000 },
          address: { perSecond: 10_000, burst: 10_000 },
          anonymous: { perSecond: 10_000, burst: 10_000 },
          jobBytes: endless,
        },
      },
    });
    await coordinator.connectNode();
  });
  afterEach(() => coordinator.close());

  const submit = async (key: string): Promise<string> => {
    const answer = await coordinator.call('POST', '/v1/jobs', {
      json: { version: '1', image: 'busybox', placement: { regions: ['nowhere'] } },
      headers: { 'idempotency-key': key },
    });
    return ((await answer.json()) as { id: string }).id;
  };
  const why = (job: string) => coordinator.call('GET', `/v1/tasks/${job}.0/why`);

  it('is told once a second for a job, and for another all the same', async () => {
    const [asked, other] = [await submit('one'), await submit('two')];
    const statuses = [];
    for (let n = 0; n < lookLimits.perJob.burst + 2; n++) statuses.push((await why(asked)).status);
    expect(statuses.slice(0, lookLimits.perJob.burst)).toEqual(
      Array.from({ length: lookLimits.perJob.burst }, () => 200),
    );
    expect(statuses.at(-1)).toBe(429);
    expect((await why(other)).status).toBe(200);
  });

  it('counts as many calls as there are nodes to look at', async () => {
    const job = await submit('one');
    const remaining = async () => {
      const answer = await coordinator.call('GET', '/v1/account');
      return Number(/r=(\d+)/.exec(answer.headers.get('ratelimit') ?? '')?.[1]);
    };
    for (let n = 0; n < 5000; n++)
      coordinator.sequencer.state.nodes.set(
        `node_${n}` as never,
        [...coordinator.sequencer.state.nodes.values()][0] as never,
      );
    const before = await remaining();
    expect((await why(job)).status).toBe(200);
    expect(before - (await remaining())).toBeGreaterThan(50);
    coordinator.sequencer.state.nodes.clear();
  });
});
