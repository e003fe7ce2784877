import { isFilePath } from '@capacloud/protocol/job/job-mounts';
import type { JobSpec } from '@capacloud/protocol/job/job-spec';
import type { Problem } from '@capacloud/protocol/result';
import { formatSize } from '@capacloud/protocol/units';

export interface StoredOutputLimits {
  /** Of one file. */
  readonly maxArtifactBytes: number;
  /** Of all that an account stores. */
  readonly accountBytes: number;
}

/**
 * Outputs that may become larger, by the job file's own words, than this coordinator can ever store. Where the file says no
 * size, the scratch bounds them, and what turns out to be too large is skipped with a note.
 */
export function outputLimitProblems(
  { maxArtifactBytes, accountBytes }: StoredOutputLimits,
  file: { readonly outputs?: readonly { readonly max_size?: unknown }[] },
  spec: Pick<JobSpec, 'outputs'>,
): readonly Problem[] {
  const problems: Problem[] = [];
  spec.outputs.forEach(({ maxBytes, path }, index) => {
    if (file.outputs?.[index]?.max_size === undefined) return;
    const isFile = isFilePath(path);
    const limit = isFile ? Math.min(maxArtifactBytes, accountBytes) : accountBytes;
    if (maxBytes <= limit) return;
    const what = isFile ? 'of one file' : 'for one account';
    problems.push({
      pointer: `/outputs/${index}/max_size`,
      message: `is more than the ${formatSize(limit)} that this coordinator stores ${what}: lower it, or write less`,
    });
  });
  return problems;
}
