import { answerQuestion } from '@capacloud/coordinator/gateway/receipt-check';
import { DataError } from '@capacloud/coordinator/store/data-error';
import type { Write, WriteRequest, WriterReply } from '@capacloud/coordinator/store/write-message';
import { serveWrites } from '@capacloud/coordinator/store/writer-service';
import { type Delegation, delegationDomain, delegationTypes } from '@capacloud/protocol/wire/delegation';
import { disk } from '../kernel/disk.ts';
import { kernel } from '../kernel/kernel.ts';
import type { Prng } from '../kernel/prng.ts';
import { defineThread, type ThreadOwner, type ThreadPort } from '../kernel/threads.ts';
import { isSigned, SimulatedKey } from '../substitutes/crypto.ts';
import { verifyTypedData } from '../substitutes/ethers.ts';
import type { Watch } from './watch.ts';

/** How the coordinator's disk behaves. */
export interface DiskFaults {
  /** Of a write: it takes seconds. */
  stall: number;
  /** True time of its last very long one. */
  longAtMs: number;
}

/** The threads of the coordinator, with the disk under the writer. */
export function defineThreads(watch: Watch, faults: DiskFaults): void {
  defineThread('writer-thread', (owner, workerData) =>
    writerThread(owner, (workerData as { readonly path: string }).path, watch, faults),
  );
  defineThread('delegation-worker', delegationThread);
  defineThread('receipt-thread', receiptThread);
}

function writerThread(owner: ThreadOwner, path: string, watch: Watch, faults: DiskFaults): ThreadPort {
  const { actor } = owner;
  let serve: (request: WriteRequest | 'close') => void = () => {};
  let asked: Write | undefined;
  let freeAtMs = 0;
  const port = {
    on: (_: 'message', listener: (request: WriteRequest | 'close') => void) => {
      serve = listener;
    },
    postMessage: (reply: WriterReply) => {
      if (reply.kind === 'done' && asked !== undefined) tellDurable(asked, path, watch);
      kernel().schedule(0.02, actor, `writer ${reply.kind}`, () => owner.tell(reply));
    },
    close: () => owner.exit(),
  };
  kernel().schedule(1, actor, 'writer opens', () => {
    try {
      serveWrites(port, path);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      const { code, hint, isFull, message } = error;
      port.postMessage({ kind: 'refused', code, message, hint, isFull });
    }
  });
  return {
    post(message) {
      const random = actor.random;
      const isStalled = faults.stall > 0 && random.chance(faults.stall);
      const takesMs = isStalled ? stallMs(random, faults) : random.between(0.1, 1.5);
      // One write after another, as a thread does.
      const fromMs = Math.max(freeAtMs, kernel().nowMs);
      freeAtMs = fromMs + takesMs;
      if (isStalled) {
        watch.fault('disk stalled');
        watch.observe({ kind: 'stalled', fromMs, untilMs: freeAtMs });
      }
      const request = message as WriteRequest | 'close';
      kernel().schedule(freeAtMs - kernel().nowMs, actor, 'writer writes', () => {
        asked = request === 'close' ? undefined : request.write;
        serve(request);
      });
    },
    end: () => {},
  };
}

/** Now and then for longer than the coordinator waits before it says again what was not answered. */
function stallMs(random: Prng, faults: DiskFaults): number {
  const { nowMs } = kernel();
  const isLong = random.chance(0.25) && nowMs > faults.longAtMs + 40_000;
  if (!isLong) return random.between(100, 4000);
  faults.longAtMs = nowMs;
  return random.between(10_000, 13_000);
}

/** Told at the moment of the commit, before anything can rest on it. */
function tellDurable(write: Write, path: string, watch: Watch): void {
  if (write.kind === 'group') {
    const { first, count, lines } = write.group;
    if (count > 0) watch.observe({ kind: 'committed', coordinator: 0, first, lines: lines.split('\n') });
    return;
  }
  if (write.kind !== 'artifact.bring' && write.kind !== 'artifact.complete') return;
  const hashes = write.kind === 'artifact.bring' ? write.files.map(({ sha256 }) => sha256) : [write.sha256];
  const brought = disk()
    .database(path)
    .database.prepare<[string], { task: string; attempt: number; size_bytes: number }>(
      `SELECT task, attempt, size_bytes FROM brought_outputs JOIN artifacts USING (sha256) WHERE sha256 = ? AND complete = 1`,
    );
  for (const sha256 of new Set(hashes))
    for (const { attempt, size_bytes: sizeBytes, task } of brought.all(sha256))
      watch.observe({ kind: 'uploaded', task, attempt, sha256, sizeBytes });
}

function delegationThread(owner: ThreadOwner): ThreadPort {
  return {
    post(message) {
      const { id, chainId, delegation, signature } = message as {
        readonly id: number;
        readonly chainId: number;
        readonly delegation: Delegation;
        readonly signature: string;
      };
      const signer = verifyTypedData(delegationDomain(chainId), delegationTypes, delegation, signature);
      const isValid = signer === delegation.node;
      kernel().schedule(2, owner.actor, `delegation ${isValid}`, () => owner.tell({ id, isValid }));
    },
    end: () => {},
  };
}

function receiptThread(owner: ThreadOwner): ThreadPort {
  return {
    post(question) {
      const answer = answerQuestion(question as string, (signature, message, key) =>
        isSigned(message, new SimulatedKey(Buffer.from(key).toString('hex'), 'public'), signature),
      );
      kernel().schedule(0.2, owner.actor, 'receipts checked', () => owner.tell(answer));
    },
    end: () => {},
  };
}
