import { holdsPlainText } from '@capacloud/protocol/input/plain-text';
import { schemaProblems } from '@capacloud/protocol/input/schema';
import { type Result, refuse } from '@capacloud/protocol/result';
import {
  AckFrameSchema,
  AssignFrameSchema,
  ChallengeFrameSchema,
  type CoordinatorFrame,
  RefusalFrameSchema,
  StopFrameSchema,
  WelcomeFrameSchema,
} from '@capacloud/protocol/wire/frames';
import { Compile } from 'typebox/compile';

// One validator a type: a union would try them all and name no fault.
const validators = {
  challenge: Compile(ChallengeFrameSchema),
  welcome: Compile(WelcomeFrameSchema),
  assign: Compile(AssignFrameSchema),
  stop: Compile(StopFrameSchema),
  ack: Compile(AckFrameSchema),
  refusal: Compile(RefusalFrameSchema),
} as const;

/** Reads one text frame of a coordinator. */
export function readFrame(text: string): Result<CoordinatorFrame> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('frame.malformed', 'a frame is not JSON');
  }
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  if (typeof type !== 'string' || !Object.hasOwn(validators, type)) {
    return refuse('frame.malformed', 'a frame has no known type');
  }
  const validator = validators[type as keyof typeof validators];
  if (validator.Check(value)) {
    // No process can be given U+0000, and text with half a surrogate pair can be neither hashed nor sent back.
    if (text.includes('\\u') && !holdsPlainText(value))
      return refuse('frame.malformed', `the ${type} frame holds text that nothing can keep`);
    return { ok: true, value: value as CoordinatorFrame };
  }
  const problems = schemaProblems(validator, value);
  return refuse('frame.malformed', `the ${type} frame is not as agreed`, { problems });
}
