import type { Sha256Hex } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { AttemptRecord } from '../core/attempt-record.ts';
import type { PlacedArchive } from '../core/ports.ts';
import { type MountPlan, planMounts } from '../scratch/mount-plan.ts';
import type { FetchParts, Fill, FillInput, OwnFolder } from './feature.ts';
import { features } from './list.ts';

/** The volumes of an attempt. */
export function planAttempt(assignment: Assignment): MountPlan {
  return planMounts(assignment, {
    inputs: features.flatMap((feature) => feature.inputFolders?.(assignment) ?? []),
    scratch: features.flatMap((feature) => feature.scratchFolders?.(assignment) ?? []),
  });
}

/** Everything in a container that its job chose by itself. */
export function textsOf(assignment: Assignment): readonly string[] {
  const { command = [], entrypoint = [], env, workingDir = '' } = assignment;
  const own = features.flatMap((feature) => feature.texts?.(assignment) ?? []);
  return [...entrypoint, ...command, workingDir, ...own, ...Object.entries(env).flat()].filter(
    (text) => text !== '',
  );
}

export function ownFoldersOf(assignment: Assignment): readonly OwnFolder[] {
  return features.flatMap((feature) => feature.ownFolders?.(assignment) ?? []);
}

export function filledFoldersOf(assignment: Assignment): readonly string[] {
  return features.flatMap((feature) => feature.filledFolders?.(assignment) ?? []);
}

/** One text for everything that decides, beside the image, which files the container holds at its start. */
export function contentsOf(assignment: Assignment): string {
  return JSON.stringify(features.map((feature) => feature.contents?.(assignment)));
}

/** What the cache holds for an attempt before it starts. */
export function artifactsOf(assignment: Assignment): readonly Sha256Hex[] {
  return features.flatMap((feature) => feature.artifacts?.(assignment) ?? []);
}

/** Fetches what an attempt needs, one feature after the other. Throws TransferRefused where it cannot run without. */
export async function fetchAll(
  parts: FetchParts,
  record: AttemptRecord,
  signal: AbortSignal,
): Promise<PlacedArchive | undefined> {
  let placed: PlacedArchive | undefined;
  for (const feature of features) placed = (await feature.fetch?.(parts, record, signal)) ?? placed;
  return placed;
}

/** What has to be written into scratch before the container is made. */
export async function fillsOf(input: FillInput, signal: AbortSignal): Promise<readonly Fill[]> {
  const fills: Fill[] = [];
  for (const feature of features) {
    const fill = await feature.fill?.(input, signal);
    if (fill !== undefined) fills.push(fill);
  }
  return fills;
}
