import { accept, type Result } from '@capacloud/protocol/result';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { TaskUser } from '../core/container-user.ts';
import { own, type Sentence } from '../core/sentence.ts';
import { ownFoldersOf } from '../features/of-assignment.ts';
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
export function foldersOf(assignment: Assignment, plan: MountPlan): readonly string[] {
  const mounts = [...plan.inputs, ...plan.scratch, ...ownFoldersOf(assignment)];
  return [...new Set(mounts.map(({ folder }) => folder))];
}

/** A file among the image's own gets a copy of its folder to lie in. A whole folder that the image fills is refused. */
export function fitToImage(
  assignment: Assignment,
  plan: MountPlan,
  user: TaskUser,
  { group, home, names, passwd, tmpIsOpen }: ImageLayout,
): Result<ImageFit, Sentence> {
  const holds = (folder: string) => names.get(folder) ?? [];
  for (const { folder, refusal } of ownFoldersOf(assignment)) {
    const found = holds(folder).map((name) => `${folder}/${name}`.slice(0, 60));
    if (found.length > 0) return { ok: false, refusal: refusal(own(found.join(', '))) };
  }
  return accept({
    singly: plan.inputs.filter(({ folder }) => folder === home || holds(folder).length > 0),
    copied: plan.scratch.filter(({ folder }) => holds(folder).length > 0),
    user: userEntry({ passwd, group }, user, home),
    needsTmp: !tmpIsOpen,
  });
}
