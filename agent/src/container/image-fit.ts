import { isFilePath } from '@capacloud/protocol/job/job-mounts';
import { accept, type Result } from '@capacloud/protocol/result';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { TaskUser } from '../core/container-user.ts';
import { own, type Sentence, say } from '../core/sentence.ts';
import type { MountPlan, PlannedMount, ScratchMount } from '../scratch/mount-plan.ts';
import type { ImageLayout } from './image-layout.ts';
import { type UserEntry, userEntry } from './task-home.ts';

/** How an attempt's mounts are made so that they hide nothing of its image. */
export interface ImageFit {
  /** Folders that the image fills as well: their inputs are mounted one by one. */
  readonly singly: readonly PlannedMount[];
  /** Scratch that is given a copy of what the image holds there. */
  readonly copied: readonly ScratchMount[];
  readonly user: UserEntry;
  readonly needsTmp: boolean;
}

/** Every folder whose content in the image decides how it is mounted. */
export function foldersOf({ outputs }: Assignment, plan: MountPlan): readonly string[] {
  const mounts = [...plan.inputs, ...plan.scratch].map(({ folder }) => folder);
  return [...new Set([...mounts, ...outputFolders(outputs)])];
}

function outputFolders(outputs: Assignment['outputs']): readonly string[] {
  return outputs.filter(({ path }) => !isFilePath(path)).map(({ path }) => path.replace(/\/+$/, ''));
}

/**
 * A file among the image's own gets a copy of its folder to lie in. A folder of outputs or of a checkpoint that the image
 * fills is refused in words: with a copy, the image's files would be taken for results.
 */
export function fitToImage(
  { outputs }: Assignment,
  plan: MountPlan,
  user: TaskUser,
  { group, home, names, passwd, tmpIsOpen }: ImageLayout,
): Result<ImageFit, Sentence> {
  const holds = (folder: string) => names.get(folder) ?? [];
  const saved = plan.checkpoint?.folder;
  const claimed = [
    ...outputFolders(outputs).map((folder) => ({ folder, what: 'output' as const })),
    ...(saved === undefined ? [] : [{ folder: saved, what: 'checkpoint' as const }]),
  ];
  for (const { folder, what } of claimed) {
    const found = holds(folder);
    if (found.length > 0) return { ok: false, refusal: hidden(folder, what, found) };
  }
  return accept({
    singly: plan.inputs.filter(({ folder }) => folder === home || holds(folder).length > 0),
    copied: plan.scratch.filter(({ folder }) => holds(folder).length > 0),
    user: userEntry({ passwd, group }, user, home),
    needsTmp: !tmpIsOpen,
  });
}

function hidden(folder: string, what: 'output' | 'checkpoint', found: readonly string[]): Sentence {
  const some = own(found.map((name) => `${folder}/${name}`.slice(0, 60)).join(', '));
  const other = folder === '/out' ? say`/results` : say`/out`;
  return what === 'output'
    ? say`The output folder ${own(folder)} would hide files of the image: ${some}. Write the outputs into a folder of their own, such as ${other}, or list them as single files.`
    : say`The checkpoint folder ${own(folder)} would hide files of the image: ${some}. Give the checkpoint a folder of its own, such as /state.`;
}
