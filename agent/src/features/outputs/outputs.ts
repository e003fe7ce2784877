import { isFilePath, outputFolder } from '@capacloud/protocol/job/job-mounts';
import { own, say } from '../../core/sentence.ts';
import { topmost } from '../../scratch/mount-plan.ts';
import type { Feature } from '../feature.ts';

/** Files that are kept of a container that has ended. */
export const outputs: Feature = {
  texts: (assignment) => assignment.outputs.map(({ path }) => path),
  scratchFolders: (assignment) => topmost(assignment.outputs.map(({ path }) => outputFolder(path))),
  // With a copy of the image's folder, the image's files would be taken for results.
  ownFolders: (assignment) =>
    assignment.outputs
      .filter(({ path }) => !isFilePath(path))
      .map(({ path }) => path.replace(/\/+$/, ''))
      .map((folder) => ({
        folder,
        refusal: (files) =>
          say`The output folder ${own(folder)} would hide files of the image: ${files}. Write the outputs into a folder of their own, such as ${folder === '/out' ? say`/results` : say`/out`}, or list them as single files.`,
      })),
  contents: (assignment) => assignment.outputs.map(({ path }) => path),
};
