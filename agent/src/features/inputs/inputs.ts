import { inputFolder } from '@capacloud/protocol/job/job-mounts';
import { topmost } from '../../scratch/mount-plan.ts';
import type { Feature } from '../feature.ts';

/** Files that a job is given. They are fetched by hash and mounted so that the container can only read them. */
export const inputs: Feature = {
  texts: (assignment) => assignment.inputs.map(({ target }) => target),
  inputFolders: (assignment) => topmost(assignment.inputs.map(({ target }) => inputFolder(target))),
  contents: (assignment) => assignment.inputs.map(({ sha256, target }) => [target, sha256]),
  artifacts: (assignment) => assignment.inputs.map(({ sha256 }) => sha256),
  fetch: async (parts, { assignment }, signal) => {
    for (const input of assignment.inputs) await parts.inputs.fetch(input, signal);
    return undefined;
  },
};
