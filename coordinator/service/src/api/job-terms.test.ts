import { type JobSpec, parseJobFile } from '@capacloud/protocol/job/job-spec';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { imageFingerprint, priceOf, termsOf } from './job-terms.ts';

function specOf(more: object): JobSpec {
  const parsed = parseJobFile({
    version: '1',
    image: 'busybox',
    timeout: '1h',
    stop_grace_period: '10s',
    ...more,
  });
  if (!parsed.ok) throw new Error(parsed.refusal.message);
  return parsed.value;
}
const terms = { usdPerCapa: '0.30', defaultMaxRateNano: 1000n };

it.each([
  ['nothing', {}, 1000n, 1003n],
  ['CAPA', { price: { max_per_hour: '0.5', currency: 'CAPA' } }, 500_000_000n, 501_388_889n],
  ['USD, rounded down', { price: { max_per_hour: '0.10' } }, 333_333_333n, 334_259_259n],
  ['a total', { price: { max_total: '0.000000900' }, replicas: 3 }, 1000n, 1000n],
  ['a total beyond the ceiling', { price: { max_total: '1' }, replicas: 3 }, 1000n, 1003n],
])('prices a job that names %s', (_, more, maxRateNano, holdNano) => {
  expect(priceOf(specOf(more), terms)).toEqual({ ok: true, value: { maxRateNano, holdNano } });
});

it.each([
  [{ price: { max_per_hour: '0.000000001' } }, { ...terms, usdPerCapa: '1000' }, '/price/max_per_hour'],
  [{ price: { max_total: '0.000000001', currency: 'CAPA' }, replicas: 2 }, terms, '/price/max_total'],
  [{ price: { max_per_hour: '900000000' }, timeout: '30d' }, terms, '/price/max_per_hour'],
  [{ price: { max_per_hour: '900000000', currency: 'CAPA' }, timeout: '30d' }, terms, '/timeout'],
])('refuses %j', (more, priceTerms, pointer) => {
  const price = priceOf(specOf(more), priceTerms);
  expect(price.ok ? undefined : price.refusal.problems?.[0]?.pointer).toBe(pointer);
});

it('never holds less than the dearest attempt costs, nor more than the total', () => {
  const nano = fc.bigInt({ min: 1n, max: 10n ** 15n });
  fc.assert(
    fc.property(
      nano,
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 86_400 }),
      (rate, replicas, s) => {
        const spec = specOf({ replicas, timeout: `${s}s` });
        const price = priceOf(spec, { ...terms, defaultMaxRateNano: rate });
        if (!price.ok) throw new Error(price.refusal.message);
        const longestMs = BigInt(spec.timeoutMs + spec.stopGraceMs);
        expect(price.value.holdNano * 3_600_000n).toBeGreaterThanOrEqual(rate * longestMs);
        expect((price.value.holdNano - 1n) * 3_600_000n).toBeLessThan(rate * longestMs);
      },
    ),
  );
});

it('hides the spec behind a salt, and knows root', () => {
  const spec = specOf({ command: ['secret'] });
  const [one, two] = [termsOf(spec, 'a'), termsOf(spec, 'b')];
  expect(one.specText).toBe(two.specText);
  expect(one.terms.specHash).not.toBe(two.terms.specHash);
  expect(
    JSON.stringify(one.terms, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
  ).not.toContain('secret');
  expect(one.terms.needsRoot).toBe(false);
  for (const user of ['0', '0:0', '1000:0', '00']) {
    expect(termsOf(specOf({ user }), 'a').terms.needsRoot).toBe(true);
  }
});

it('gives jobs of one account and one image one fingerprint, and tells others nothing', () => {
  const digest = `sha256:${'1'.repeat(64)}`;
  const print = (image: string, account = 'acc_ada', secret = 'secret') =>
    imageFingerprint(secret, account as never, image);
  expect(print(`busybox@${digest}`)).toMatch(/^[0-9a-f]{32}$/);
  expect(print(`busybox@${digest}`)).toBe(print(`mirror.test/busybox@${digest}`));
  const others = [
    print('busybox:1'),
    print('busybox:2'),
    print('busybox:1', 'acc_bob'),
    print('busybox:1', 'acc_ada', 'else'),
  ];
  expect(new Set(others).size).toBe(others.length);
});

it('wants a sound fabric for tasks that use several GPUs, and says it in the terms alone', () => {
  const fabrics = (more: object) => {
    const spec = specOf(more);
    expect(spec.resources.devices).not.toHaveProperty('fabric');
    const { devices, alternatives = [] } = termsOf(spec, 'a').terms.resources;
    return [devices, ...alternatives].map((request) => request?.fabric);
  };
  expect(fabrics({ resources: { gpu: ['h100', 'a100-80gb:2'] } })).toEqual([undefined, 'sound']);
  expect(fabrics({ resources: { gpu: 'h100' }, gang: true, replicas: 2 })).toEqual(['sound']);
});
