import { EventEmitter } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { consumerAccount, startCoordinator, type TestCoordinator } from '../testing/test-coordinator.ts';
import { AnswersInFlight, answerLimits } from './answers-in-flight.ts';
import { pageBytes, pageOfRows, withinPage } from './pages.ts';

class Target extends EventEmitter {
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}
const mib = 2 ** 20;
const limits = {
  ...answerLimits,
  perAddressBytes: 4 * mib,
  totalBytes: 8 * mib,
  perAddressStreams: 2,
  totalStreams: 3,
};
const refused = { ok: false, refusal: { code: 'request.rate_limited' } };

describe('answers that nobody reads', () => {
  it('are bounded by address, and count until they are read', () => {
    const flight = new AnswersInFlight(limits);
    const targets = [new Target(), new Target(), new Target(), new Target()];
    for (const target of targets) expect(flight.add('a', mib, target).ok).toBe(true);
    expect(flight.add('a', mib, new Target())).toMatchObject(refused);
    expect(flight.admit('a')).toMatchObject(refused);
    expect(flight.admit('b').ok).toBe(true);
    targets[0]?.emit('close');
    expect(flight.admit('a').ok).toBe(true);
    expect(flight.add('a', mib, new Target()).ok).toBe(true);
    for (const target of targets) target.emit('close');
    expect(flight.bytes).toBe(mib);
  });

  it('let one larger answer through, so that nothing is too large to be had', () => {
    const flight = new AnswersInFlight(limits);
    expect(flight.add('a', 6 * mib, new Target()).ok).toBe(true);
    expect(flight.add('a', mib, new Target())).toMatchObject(refused);
  });

  it('of the heaviest address are cut, oldest first, when all of the room is taken', () => {
    const flight = new AnswersInFlight(limits);
    const of = (address: string, count: number): Target[] =>
      Array.from({ length: count }, () => {
        const target = new Target();
        expect(flight.add(address, mib, target).ok).toBe(true);
        return target;
      });
    const [first, ...rest] = of('greedy', 4);
    const others = ['b', 'c', 'd', 'e'].flatMap((address) => of(address, 1));
    of('honest', 1);
    expect(first?.destroyed).toBe(true);
    expect([...rest, ...others].filter(({ destroyed }) => destroyed)).toEqual([]);
    expect(flight.bytes).toBe(8 * mib);
  });

  it('are cut after a time', () => {
    vi.useFakeTimers();
    try {
      const flight = new AnswersInFlight(limits);
      const target = new Target();
      flight.add('a', mib, target);
      vi.advanceTimersByTime(limits.readWithinMs);
      expect([target.destroyed, flight.bytes]).toEqual([true, 0]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('that are streams are bounded in number', () => {
    const flight = new AnswersInFlight(limits);
    const first = new Target();
    expect(flight.addStream('a', first).ok).toBe(true);
    expect(flight.addStream('a', new Target()).ok).toBe(true);
    expect(flight.addStream('a', new Target())).toMatchObject(refused);
    expect(flight.addStream('b', new Target()).ok).toBe(true);
    expect(flight.addStream('c', new Target())).toMatchObject(refused);
    first.emit('close');
    expect(flight.addStream('c', new Target()).ok).toBe(true);
  });
});

describe('a page', () => {
  it('ends at its bound of bytes, and has one item at least', () => {
    const large = 'x'.repeat(pageBytes / 4);
    expect(withinPage([large, large, large, large, large])).toHaveLength(3);
    expect(withinPage(['x'.repeat(2 * pageBytes), 'y'])).toHaveLength(1);
    expect(withinPage([])).toEqual([]);
  });

  it('makes no views beyond its bound', async () => {
    const items = Array.from({ length: 500 }, (_, index) => index);
    const view = vi.fn(() => 'x'.repeat(pageBytes / 4));
    const read = async () => ({ items, cursors: items.map(String) });
    expect(await pageOfRows({}, read, view)).toMatchObject({ ok: true, value: { next: '2' } });
    expect(view).toHaveBeenCalledTimes(4);
  });
});

describe('a coordinator whose readers do not read', () => {
  let coordinator: TestCoordinator;
  let sockets: Socket[];
  beforeEach(async () => {
    coordinator = await startCoordinator();
    sockets = [];
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await coordinator.close();
  });

  /** Long entries, until the log is larger than two pages. */
  async function fillLog(): Promise<void> {
    for (let n = 0; n < 90; n++)
      await coordinator.do({
        type: 'account.credit',
        at: Date.now(),
        account: consumerAccount,
        amountNano: 1n,
        ref: `${n}`.padEnd(30_000, 'x'),
      });
  }
  const list = async (path: string) =>
    (await (await coordinator.call('GET', path, { key: '' })).json()) as {
      readonly entries: readonly string[];
      readonly size: number;
    };

  it('answers with pages that end by bytes and go on where they ended', async () => {
    await fillLog();
    const { size } = await list('/v1/log/entries?limit=1');
    const seen: unknown[] = [];
    while (seen.length < size) {
      const page = await list(`/v1/log/entries?from=${seen.length}&limit=1000`);
      expect(JSON.stringify(page.entries).length).toBeLessThan(1.1 * pageBytes);
      expect(page.entries.length).toBeGreaterThan(0);
      seen.push(...page.entries);
    }
    expect(seen).toHaveLength(size);
  });

  it('refuses more answers to an address that leaves them unread, and takes it up again', async () => {
    await fillLog();
    const { port } = coordinator.api.app.server.address() as AddressInfo;
    const asked = 60;
    const made = vi.spyOn(coordinator.store.log, 'read');
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.pause();
    socket.write('GET /v1/log/entries?from=10&limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(asked));
    await vi.waitFor(() => expect(made).toHaveBeenCalledTimes(asked), { timeout: 15_000 });
    // What is small enough for the buffers of a connection is answered all the same.
    expect((await fetch(`${coordinator.url}/readyz`)).status).toBe(200);
    let text = '';
    const count = (what: RegExp): number => text.match(what)?.length ?? 0;
    socket.on('data', (part) => (text += part.toString('latin1')));
    socket.resume();
    await vi.waitFor(() => expect(count(/HTTP\/1\.1 /g)).toBe(asked), { timeout: 15_000 });
    expect(count(/HTTP\/1\.1 200 /g)).toBeGreaterThanOrEqual(16);
    expect(count(/HTTP\/1\.1 429 /g)).toBeGreaterThan(0);
    expect(text).toContain('wait to be read, up to 16 MiB of them');
    const again = await coordinator.call('GET', '/v1/log/entries?from=10&limit=1000', { key: '' });
    expect(again.status).toBe(200);
  });
});
