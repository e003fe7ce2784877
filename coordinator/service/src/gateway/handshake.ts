import { randomBytes } from 'node:crypto';
import { type NodeId, nodeIdOf } from '@capacloud/protocol/ids';
import type { Refusal, Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import type { ChallengeFrame, HelloFrame } from '@capacloud/protocol/wire/frames';
import { sessionProofMessage, wireLimits } from '@capacloud/protocol/wire/frames';
import { protocolVersions } from '@capacloud/protocol/wire/protocol-versions';
import type { Logger } from 'pino';
import type { Connection } from './connection.ts';
import type { Asker, DelegationVerifier } from './delegation-verifier.ts';
import { isSignedBy } from './ed25519.ts';
import { readHello } from './frame-reader.ts';
import { type CheckedHello, checkHello } from './hello-check.ts';
import { newDelegationWeight, type Rates } from './rates.ts';
import type { Resumption } from './resumption.ts';

export interface HandshakeDeps {
  readonly coordinator: string;
  readonly chainId: number;
  readonly timeoutMs: number;
  readonly verifier: DelegationVerifier;
  readonly resumption: Resumption;
  /** Why a node is refused whatever it proves; undefined where it is not. */
  refusalOf(node: NodeId, address: string): Promise<Refusal | undefined>;
  readonly rates: Rates;
  readonly logger: Logger;
  now(): number;
}

/** How the table of handshakes follows one of them. */
export interface HandshakeStage {
  /** Whose it is, as far as that is known. */
  readonly from: Asker;
  /** So many bytes came, and no whole frame. */
  receive(bytes: number): void;
  /** The first frame is here. False: there is no room to check it. */
  hear(): boolean;
}

export interface Proven {
  readonly hello: HelloFrame;
  /** When it was heard: what follows may wait for the disk. */
  readonly heardAt: number;
  readonly checked: CheckedHello;
}

/**
 * Challenge, hello, proof. Resolves when the peer has shown that it holds the node's wallet and the session key;
 * undefined when it was refused or left. The nonce is of this connection alone, so a hello cannot be replayed.
 */
export async function shakeHands(
  connection: Connection,
  stage: HandshakeStage,
  deps: HandshakeDeps,
): Promise<Proven | undefined> {
  const challenge: ChallengeFrame = {
    type: 'challenge',
    protocols: [...protocolVersions],
    nonce: `0x${randomBytes(32).toString('hex')}`,
    coordinator: deps.coordinator,
    chainId: deps.chainId,
    nowMs: deps.now(),
  };
  const heard = await firstText(connection, stage, JSON.stringify(challenge), deps.timeoutMs, (text) => {
    if (!stage.hear()) return refuse('service.overloaded', 'Too many agents connect at once.');
    const hello = readHello(text);
    if (!hello.ok) return hello;
    const heardAt = deps.now();
    return accept({ hello: hello.value, heardAt, checked: checkHello(hello.value, challenge, heardAt) });
  });
  if (heard === undefined) return undefined;
  const { checked, heardAt, hello } = heard;
  // Before signatures are verified, which cost the most.
  const refusal = await deps.refusalOf(nodeIdOf(hello.delegation.node), connection.address);
  if (refusal !== undefined) return refused(connection, refusal);
  if (!checked.ok) return refused(connection, checked.refusal);
  const proven = { hello, heardAt, checked: checked.value };
  const fault = await admit(proven, challenge, stage.from, deps);
  if (fault !== undefined) return refused(connection, fault);
  return connection.isOpen ? proven : undefined;
}

function refused(connection: Connection, refusal: Refusal): undefined {
  connection.refuse(refusal);
  return undefined;
}

/** What was said, and what comes of reading it. */
interface Heard {
  readonly hello: HelloFrame;
  readonly heardAt: number;
  readonly checked: Result<CheckedHello>;
}

/** Read at once: what came in the same packet must not get its word in first. */
function firstText(
  connection: Connection,
  stage: HandshakeStage,
  challenge: string,
  timeoutMs: number,
  read: (text: string) => Result<Heard>,
): Promise<Heard | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => connection.refuse({ code: 'session.handshake_timeout', message: 'No hello came in time.' }),
      timeoutMs,
    );
    let bytes = 0;
    const unwatch = connection.watchBytes((more) => {
      if (!connection.isOpen) return;
      bytes += more;
      // A frame is given out when it is complete; until then a stranger's bytes wait in our memory.
      if (bytes <= firstFrameBytes) {
        stage.receive(more);
        return;
      }
      connection.refuse(firstFrameTooLarge);
      // The rest of it is not read either.
      connection.pause();
    });
    connection.onEnd = () => {
      clearTimeout(timer);
      unwatch();
      resolve(undefined);
    };
    connection.onText = (text) => {
      clearTimeout(timer);
      unwatch();
      connection.onText = () =>
        connection.refuse({ code: 'frame.unexpected', message: 'Nothing may be sent before the welcome.' });
      const result = read(text);
      if (result.ok) resolve(result.value);
      else connection.refuse(result.refusal);
    };
    connection.send(challenge);
  });
}

/** What WebSocket frames around the text may add, for a peer that sends it in many pieces. */
const framingBytes = 8192;
const firstFrameBytes = wireLimits.handshakeFrameBytes + framingBytes;
const firstFrameTooLarge: Refusal = {
  code: 'frame.too_large',
  message: `A hello frame has at most ${wireLimits.handshakeFrameBytes} bytes.`,
};

/** What costs more than reading: the rates are asked before it, and charged once the node has proven that it is the node. */
async function admit(
  proven: Proven,
  challenge: ChallengeFrame,
  from: Asker,
  deps: HandshakeDeps,
): Promise<Refusal | undefined> {
  const { delegation, proof } = proven.hello;
  const { resumes, sessionKey } = proven.checked;
  // The cheap one first.
  if (!(await isSignedBy(sessionKey, Buffer.from(sessionProofMessage(challenge.nonce)), proof)))
    return badProof;
  const node = nodeIdOf(delegation.node);
  const weight = resumes ? 1 : newDelegationWeight;
  // Nobody but the node itself uses its rate up, and a session that is open goes on.
  if (!deps.rates.mayOpen(node, weight, deps.now())) return tooOften;
  const refusal = resumes
    ? await deps.resumption.check(delegation, proven.hello.signature)
    : await verifyWallet(proven.hello, challenge, from, deps);
  if (refusal !== undefined) return refusal;
  return deps.rates.ofNode(node).sessions.take(deps.now(), weight) ? undefined : tooOften;
}

async function verifyWallet(
  { delegation, signature }: HelloFrame,
  { chainId }: ChallengeFrame,
  from: Asker,
  deps: HandshakeDeps,
): Promise<Refusal | undefined> {
  const { verifier, rates, logger } = deps;
  const { forgeries } = rates.ofAddress(from.address);
  if (!forgeries.has(deps.now())) return tooManyForgeries;
  const verdict = verifier.verify(chainId, delegation, signature, from);
  if (verdict === undefined)
    return { code: 'service.overloaded', message: 'Too many agents connect at once.' };
  try {
    if (await verdict) return undefined;
  } catch (error) {
    logger.error({ err: error }, 'a delegation could not be checked');
    return { code: 'service.internal', message: 'The delegation could not be checked.' };
  }
  forgeries.charge(deps.now());
  return {
    code: 'session.delegation_invalid',
    message: 'The delegation is not signed by the node’s wallet for this chain.',
    hint: `The chain id is ${chainId}; the domain is CapaCloud, version 1.`,
  };
}

const badProof: Refusal = {
  code: 'session.delegation_invalid',
  message: 'The proof is not the session key’s over the nonce.',
  hint: 'Sign "capacloud/session/1", a line feed and the nonce with the delegated key.',
};
const tooOften: Refusal = {
  code: 'service.overloaded',
  message: 'This node opens sessions too often.',
  hint: 'Connect again later. Where several agents run with one key, stop all but one.',
};
const tooManyForgeries: Refusal = {
  code: 'service.overloaded',
  message: 'Too many delegations of this address were not signed by their wallets.',
  hint: 'Connect again later. Behind a reverse proxy, the coordinator needs it in trusted_proxies.',
};
