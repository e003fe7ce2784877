import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import type { RuntimeFailure } from '../../core/ports.ts';
import { type Sentence, say } from '../../core/sentence.ts';

/** Why an image cannot be had. The consumer is told the sentence, and the owner's log has the detail. */
export class PullRefused extends Error {
  override readonly name = 'PullRefused';
  readonly failure: RuntimeFailure;

  constructor(failure: RuntimeFailure, options?: ErrorOptions) {
    super(failure.detail ?? failure.message, options);
    this.failure = failure;
  }
}

export function refusedPull(reason: OutcomeReason, message: Sentence, detail?: string): PullRefused {
  return new PullRefused({ reason, message, ...(detail === undefined ? {} : { detail }) });
}

export const notAllowed = (registry: string): PullRefused =>
  refusedPull(
    'registry_not_allowed',
    say`The owner of the node does not allow the registry of the image.`,
    `${registry} is not among the registries of the setting registries`,
  );

/** One sentence for all that may be in the way: which one it is would tell of the owner's network. */
export const unreachable = (detail: string): PullRefused =>
  refusedPull(
    'registry_failed',
    say`The registry of the image could not be reached, or did not answer in time.`,
    detail,
  );

export const sentElsewhere = (detail: string): PullRefused =>
  refusedPull(
    'registry_failed',
    say`The registry of the image sends its clients to a place that the owner of the node does not allow.`,
    detail,
  );

export const badAnswer = (detail: string): PullRefused =>
  refusedPull(
    'registry_failed',
    say`The registry of the image answered with an error, or with something else than the image.`,
    detail,
  );

export const invalid = (message: Sentence): PullRefused => refusedPull('image_invalid', message);
