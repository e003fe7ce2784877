import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Device, Offer } from '@capacloud/protocol/capacity/resources';
import type { CoordinatorFrame } from '@capacloud/protocol/wire/frames';
import { offerSize } from '@capacloud/protocol/wire/offer-size';
import { createHello, createIdentity, plainOffer } from '@capacloud/rig/network/agent-keys';
import { createCoordinator, type LocalCoordinator } from '@capacloud/rig/network/local-network';
import { RawPeer } from '@capacloud/rig/network/raw-peer';
import { unlimitedJoins } from './bench-coordinator.ts';
import type { Benchmark } from './benchmark.ts';
import { residentBytesOf } from './process-usage.ts';

const heapMib = 300;
const strangersAtOnce = 16;
const restartTargetS = 10;
/** Beside the heap there are the code, the stacks, the threads and SQLite. */
const residentTargetMib = 550;

/**
 * Strangers with new keys join with the largest offers that are taken, and leave: a coordinator with a small heap stays
 * within it, and starts again in time. The bounds of an hour are lifted, because they alone would end the attack.
 */
export const joins: Benchmark = {
  name: 'joins',
  summary: 'joins with the largest offers under a heap of 300 MB: memory, and the time of a start',
  async run({ quick, log, signal }) {
    const dir = await mkdtemp(join(tmpdir(), 'capacloud-bench-'));
    const wanted = quick ? 2000 : 20_000;
    const coordinator = await createCoordinator({
      dir,
      name: 'joins.local',
      settings: {
        log_level: 'warn',
        joins: unlimitedJoins,
        // Shorter, so that as many nodes are lost as in an hour.
        rules: { unknown_after_ms: 3000, lease_ms: 6000, lost_margin_ms: 1000 },
      },
      env: { NODE_OPTIONS: `--max-old-space-size=${heapMib}` },
      signal,
    });
    try {
      const attack = new Attack(coordinator, wanted, log, signal);
      const started = performance.now();
      await attack.run();
      const attackS = (performance.now() - started) / 1000;
      const { size } = await stat(join(coordinator.dataDir, 'coordinator.db'));
      await coordinator.process.kill();
      const stopped = performance.now();
      await coordinator.start();
      const restartS = (performance.now() - stopped) / 1000;
      const mib = 2 ** 20;
      return {
        figures: [
          { name: 'bytes of an offer', value: offerSize(largestOffer(0)).writtenBytes, unit: 'B' },
          { name: 'joins', value: attack.joined, unit: '' },
          { name: 'joins refused for want of memory', value: attack.refused, unit: '' },
          { name: 'joins a second', value: attack.joined / attackS, unit: '/s' },
          { name: 'resident memory after a quarter', value: attack.quarterBytes / mib, unit: 'MiB' },
          { name: 'resident memory, most', value: attack.mostBytes / mib, unit: 'MiB' },
          { name: 'database', value: size / mib, unit: 'MiB' },
          { name: 'start after a kill', value: restartS, unit: 's' },
        ],
        ratios: [
          {
            name: 'most memory of what may be',
            value: attack.mostBytes / mib / residentTargetMib,
            target: 1,
            better: 'lower',
          },
          { name: 'start of what may be', value: restartS / restartTargetS, target: 1, better: 'lower' },
        ],
      };
    } finally {
      await coordinator.process.stop();
      await rm(dir, { recursive: true, force: true });
    }
  },
};

/** Of several kinds, with labels: nearly all that the bounds leave. */
function largestOffer(n: number): Offer {
  const devices = Array.from(
    { length: 64 },
    (_, i): Device => ({
      id: `GPU-${n}-${i}`.padEnd(60, 'x'),
      vendor: 'nvidia',
      model: `m${n}-${i % 16}`,
      memoryBytes: 2 ** 34 + (i % 16),
      health: 'healthy',
    }),
  );
  const labels = Object.fromEntries(
    Array.from({ length: 13 }, (_, i) => [`l${i}`.padEnd(63, 'k'), `${n}`.padEnd(63, 'v')]),
  );
  return { ...plainOffer, devices, labels };
}

class Attack {
  joined = 0;
  refused = 0;
  quarterBytes = 0;
  mostBytes = 0;
  readonly #coordinator: LocalCoordinator;
  readonly #wanted: number;
  readonly #log: (line: string) => void;
  readonly #signal: AbortSignal;

  constructor(
    coordinator: LocalCoordinator,
    wanted: number,
    log: (line: string) => void,
    signal: AbortSignal,
  ) {
    this.#coordinator = coordinator;
    this.#wanted = wanted;
    this.#log = log;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const watch = setInterval(() => void this.#measure(), 250);
    try {
      await Promise.all(Array.from({ length: strangersAtOnce }, () => this.#strangers()));
      await this.#measure();
    } finally {
      clearInterval(watch);
    }
  }

  async #strangers(): Promise<void> {
    while (this.joined < this.#wanted) {
      this.#signal.throwIfAborted();
      const identity = createIdentity();
      const offer = largestOffer(this.joined + this.refused);
      const peer = new RawPeer(this.#coordinator.url);
      const hello = await createHello(await peer.challenge(), identity, peer.key, { offer });
      peer.send(hello);
      const end = await Promise.race([
        peer.next<CoordinatorFrame>('welcome').catch(() => undefined),
        peer.ended,
      ]);
      peer.socket.terminate();
      if (end !== undefined && 'type' in end) this.#count();
      else this.refused += 1;
    }
  }

  #count(): void {
    this.joined += 1;
    if (this.joined % 1000 === 0)
      this.#log(
        `${this.joined} joined, ${this.refused} refused, at most ${Math.round(this.mostBytes / 2 ** 20)} MiB`,
      );
    if (this.joined * 4 <= this.#wanted) this.quarterBytes = this.mostBytes;
  }

  async #measure(): Promise<void> {
    const bytes = await residentBytesOf(this.#coordinator.process.pid);
    this.mostBytes = Math.max(this.mostBytes, bytes);
  }
}
