import type { Books } from './books.ts';
import { check } from './observation.ts';

interface SaidAssignment {
  readonly task: string;
  readonly attempt: number;
  readonly checkpoint?: { readonly saved?: { readonly sha256: string; readonly sizeBytes: number } };
}

/** A task goes on with what a node saved that had an earlier attempt of it, stopped it and uploaded that itself. */
export function checkSaved(
  { speech, tasks, uploads }: Books,
  frame: Readonly<Record<string, unknown>> | undefined,
): void {
  if (frame?.['type'] !== 'assign') return;
  for (const { attempt, checkpoint, task } of frame['assignments'] as readonly SaidAssignment[]) {
    const facts = tasks.live.get(task);
    const saved = checkpoint?.saved;
    if (facts === undefined || saved === undefined) continue;
    const { sha256, sizeBytes } = saved;
    const isFrom = (node: string, earlier: number): boolean =>
      uploads.has(`${task}/${earlier} ${sha256} ${sizeBytes}`) &&
      speech
        .receiptsFor(task, earlier)
        .some(
          (receipt) =>
            receipt.node === node &&
            receipt.saysNode === node &&
            receipt.reason === 'stopped' &&
            receipt.nonce === speech.nonceOf(task, earlier) &&
            receipt.outputs.length === 1 &&
            receipt.outputs[0]?.sha256 === sha256,
        );
    const isOwn = facts.nodes.slice(0, attempt - 1).some((node, index) => isFrom(node, index + 1));
    check(
      isOwn && facts.job.terms.checkpoint === true,
      'said.checkpoint',
      () => `${task}/${attempt} is to go on with ${sha256}, which no earlier attempt of it has saved`,
    );
  }
}
