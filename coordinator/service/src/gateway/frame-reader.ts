import type { Offer } from '@capacloud/protocol/capacity/resources';
import { doubledProblem } from '@capacloud/protocol/input/distinct';
import { nestsTooDeeply } from '@capacloud/protocol/input/json-depth';
import { holdsPlainText, isShownText, toShownText } from '@capacloud/protocol/input/plain-text';
import { schemaProblems } from '@capacloud/protocol/input/schema';
import type { WordedSchema } from '@capacloud/protocol/input/wording';
import type { Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import type { AgentFrame, HelloFrame, OfferFrame } from '@capacloud/protocol/wire/frames';
import {
  HeartbeatFrameSchema,
  HelloFrameSchema,
  OfferFrameSchema,
  ReportFrameSchema,
  wireLimits,
} from '@capacloud/protocol/wire/frames';
import { offerFault, offerHint } from '@capacloud/protocol/wire/offer-size';
import { Compile } from 'typebox/compile';

const checks = {
  hello: Compile(HelloFrameSchema),
  report: Compile(ReportFrameSchema),
  heartbeat: Compile(HeartbeatFrameSchema),
  offer: Compile(OfferFrameSchema),
};
type FrameType = keyof typeof checks;
export type SessionFrame = Exclude<AgentFrame, HelloFrame>;

/** Naming what is wrong walks the whole value, so it is done only for texts that cannot make it slow. */
const explainedTextLength = 4096;

/** Shorter texts cannot hold the loop up however deep they are. */
const unscannedTextLength = 1024;

function parse(text: string): Result<Record<string, unknown>> {
  if (text.length > unscannedTextLength && nestsTooDeeply(text))
    return refuse('frame.malformed', 'The frame nests too deeply.');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('frame.malformed', 'The frame is not JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('frame.malformed', 'The frame is not a JSON object.');
  return accept(value as Record<string, unknown>);
}

/**
 * Text that nothing can keep is refused at the door: U+0000, and what is not Unicode. JSON spells both with an escape, so
 * only a frame with one is looked through; honest ones rarely have any.
 */
function isPlain(text: string, value: unknown): boolean {
  return !text.includes('\\u') || holdsPlainText(value);
}

function malformed(type: FrameType, value: unknown, text: string): Result<never> {
  // Found at any length: an owner has to learn which of many devices is there twice.
  const doubled = doubledProblem(checks[type].Type() as WordedSchema, value);
  if (doubled !== undefined) {
    const hint = `Each item has an id of its own. It ${doubled.message}: remove one of the two.`;
    return refuse('frame.malformed', `${type}${doubled.pointer} ${doubled.message}.`, {
      hint,
      problems: [doubled],
    });
  }
  if (text.length > explainedTextLength)
    return refuse('frame.malformed', `The ${type} frame does not have its shape.`);
  const problems = schemaProblems(checks[type], value);
  const first = problems[0];
  const what = first === undefined ? 'it' : `${type}${first.pointer}`;
  const message = first === undefined ? 'does not have the expected shape' : first.message;
  return refuse('frame.malformed', `${what} ${message}.`.slice(0, 1000), { problems });
}

const notPlain = 'holds U+0000, or text that is not valid Unicode (a lone surrogate).';

/** First frame of a peer whom nobody knows yet. */
export function readHello(text: string): Result<HelloFrame> {
  if (
    text.length > wireLimits.handshakeFrameBytes ||
    Buffer.byteLength(text) > wireLimits.handshakeFrameBytes
  )
    return refuse('frame.too_large', `A hello frame has at most ${wireLimits.handshakeFrameBytes} bytes.`);
  const parsed = parse(text);
  if (!parsed.ok) return parsed;
  const { type } = parsed.value;
  if (type === 'report' || type === 'heartbeat' || type === 'offer')
    return refuse('frame.unexpected', 'The first frame of an agent is hello.');
  if (!checks.hello.Check(parsed.value)) return malformed('hello', parsed.value, text);
  if (!isPlain(text, parsed.value)) return refuse('frame.malformed', `The hello frame ${notPlain}`);
  return withSmallOffer(parsed.value as HelloFrame);
}

/** A frame of an open session: one JSON.parse and one compiled check. */
export function readSessionFrame(text: string): Result<SessionFrame> {
  const parsed = parse(text);
  if (!parsed.ok) return parsed;
  const { type } = parsed.value;
  if (type === 'hello') return refuse('frame.unexpected', 'The session is already open.');
  if (type !== 'report' && type !== 'heartbeat' && type !== 'offer')
    return refuse('frame.malformed', 'The frame is of no known type.');
  if (!checks[type].Check(parsed.value)) return malformed(type, parsed.value, text);
  if (!isPlain(text, parsed.value)) {
    // In a report only a receipt has text that is free.
    if (type === 'report') return refuse('receipt.invalid', `A receipt ${notPlain}`);
    return refuse('frame.malformed', `The ${type} frame ${notPlain}`);
  }
  const frame = parsed.value as unknown as SessionFrame;
  return frame.type === 'offer' ? withSmallOffer(frame) : accept(frame);
}

function withSmallOffer<T extends HelloFrame | OfferFrame>(frame: T): Result<T> {
  const fault = offerFault(frame.offer);
  if (fault !== undefined) return refuse('frame.too_large', fault, { hint: offerHint });
  return accept({ ...frame, offer: withShownReasons(frame.offer) });
}

/** A reason quotes the driver, and older agents send it as it is: cleaned here, it keeps no honest node away. */
function withShownReasons(offer: Offer): Offer {
  if (offer.devices.every(({ reason = '' }) => isShownText(reason))) return offer;
  const devices = offer.devices.map((device) =>
    device.reason === undefined ? device : { ...device, reason: toShownText(device.reason) },
  );
  return { ...offer, devices };
}
