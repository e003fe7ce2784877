import type { Assignment } from '@capacloud/protocol/wire/frames';

/** What of a container a job chose by itself. */
export function jobTexts(assignment: Assignment): readonly string[] {
  const { checkpoint, command = [], entrypoint = [], env, inputs, outputs, workingDir = '' } = assignment;
  return [
    ...entrypoint,
    ...command,
    workingDir,
    ...inputs.map(({ target }) => target),
    ...outputs.map(({ path }) => path),
    ...(checkpoint === undefined ? [] : [checkpoint.path]),
    ...Object.entries(env).flat(),
  ].filter((text) => text !== '');
}
