import { checkpoint } from './checkpoint/checkpoint.ts';
import type { Feature, StoppedFeature } from './feature.ts';
import { inputs } from './inputs/inputs.ts';
import { outputs } from './outputs/outputs.ts';

/**
 * Every capability of an attempt, in the order in which their scratch folders are made. Outputs come first, because the
 * first scratch folder is the one that shows whether the engine lost them.
 */
export const features: readonly Feature[] = [inputs, outputs, checkpoint];

/** The feature that brings files of an attempt that was stopped. */
export const ofStopped: StoppedFeature = checkpoint;
