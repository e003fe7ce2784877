import type { Assignment } from '@capacloud/protocol/wire/frames';
import { own, say } from '../../core/sentence.ts';
import type { StoppedFeature } from '../feature.ts';
import { examineSaved, unpackSaved } from './checkpoint-restore.ts';
import { bringsWithinMs } from './checkpoint-rules.ts';
import { saveFolder } from './checkpoint-save.ts';
import { fetchCheckpoint, saveCheckpoint, uploadCheckpoint } from './checkpoint-work.ts';

function folderOf({ checkpoint }: Assignment): readonly string[] {
  return checkpoint === undefined ? [] : [checkpoint.path.replace(/\/+$/, '')];
}

/** A folder that outlives its attempt: it is saved when the coordinator stops the attempt, and the next one finds it. */
export const checkpoint: StoppedFeature = {
  texts: (assignment) => (assignment.checkpoint === undefined ? [] : [assignment.checkpoint.path]),
  scratchFolders: folderOf,
  ownFolders: (assignment) =>
    folderOf(assignment).map((folder) => ({
      folder,
      refusal: (files) =>
        say`The checkpoint folder ${own(folder)} would hide files of the image: ${files}. Give the checkpoint a folder of its own, such as /state.`,
    })),
  filledFolders: (assignment) => (assignment.checkpoint?.saved === undefined ? [] : folderOf(assignment)),
  contents: (assignment) => [assignment.checkpoint?.path, assignment.checkpoint?.saved?.sha256],
  artifacts: ({ checkpoint: folder }) => (folder?.saved === undefined ? [] : [folder.saved.sha256]),
  fetch: fetchCheckpoint,
  fill: async (input, signal) => {
    const saved = await examineSaved(input, signal);
    if (saved === undefined) return undefined;
    const { assignment, engine } = input;
    return (limit) => unpackSaved(engine, assignment, saved, limit);
  },
  bringsWithinMs,
  saves: (assignment) => assignment.checkpoint !== undefined,
  save: saveFolder,
  collect: saveCheckpoint,
  upload: uploadCheckpoint,
};
