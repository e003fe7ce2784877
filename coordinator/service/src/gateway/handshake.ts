import { randomBytes } from 'node:crypto';
import type { ChallengeFrame, HelloFrame } from '@capacloud/protocol/frames';
import { protocolVersions, sessionProofMessage } from '@capacloud/protocol/frames';
import type { Refusal } from '@capacloud/protocol/result';
import type { Logger } from 'pino';
import type { Connection } from './connection.ts';
import type { DelegationVerifier } from './delegation-verifier.ts';
import { isSignedBy } from './ed25519.ts';
import { readHello } from './frame-reader.ts';
import { type CheckedHello, checkHello } from './hello-check.ts';

export interface HandshakeDeps {
  readonly coordinator: string;
  readonly chainId: number;
  readonly timeoutMs: number;
  readonly verifier: DelegationVerifier;
  readonly logger: Logger;
  now(): number;
}

export interface Proven {
  readonly hello: HelloFrame;
  readonly checked: CheckedHello;
}

/**
 * Challenge, hello, proof. Resolves when the peer has shown that it holds the node's wallet and the session key;
 * undefined when it was refused or left. The nonce is of this connection alone, so a hello cannot be replayed.
 */
export async function shakeHands(connection: Connection, deps: HandshakeDeps): Promise<Proven | undefined> {
  const challenge: ChallengeFrame = {
    type: 'challenge',
    protocols: [...protocolVersions],
    nonce: `0x${randomBytes(32).toString('hex')}`,
    coordinator: deps.coordinator,
    chainId: deps.chainId,
    nowMs: deps.now(),
  };
  const text = await firstText(connection, JSON.stringify(challenge), deps.timeoutMs);
  if (text === undefined) return undefined;
  const refused = (refusal: Refusal): undefined => {
    connection.refuse(refusal);
    return undefined;
  };
  const hello = readHello(text);
  if (!hello.ok) return refused(hello.refusal);
  const checked = checkHello(hello.value, challenge, deps.now());
  if (!checked.ok) return refused(checked.refusal);
  const refusal = await checkSignatures(hello.value, checked.value, challenge, deps);
  if (refusal !== undefined) return refused(refusal);
  return connection.isOpen ? { hello: hello.value, checked: checked.value } : undefined;
}

function firstText(
  connection: Connection,
  challenge: string,
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => connection.refuse({ code: 'session.handshake_timeout', message: 'No hello came in time.' }),
      timeoutMs,
    );
    const settle = (text: string | undefined) => {
      clearTimeout(timer);
      connection.onText = () =>
        connection.refuse({ code: 'frame.unexpected', message: 'Nothing may be sent before the welcome.' });
      resolve(text);
    };
    connection.onText = settle;
    connection.onEnd = () => settle(undefined);
    connection.send(challenge);
  });
}

async function checkSignatures(
  { delegation, signature, proof }: HelloFrame,
  { sessionKey }: CheckedHello,
  { chainId, nonce }: ChallengeFrame,
  { verifier, logger }: HandshakeDeps,
): Promise<Refusal | undefined> {
  // The cheap one first.
  if (!(await isSignedBy(sessionKey, Buffer.from(sessionProofMessage(nonce)), proof)))
    return {
      code: 'session.delegation_invalid',
      message: 'The proof is not the session key’s over the nonce.',
      hint: 'Sign "capacloud/session/1", a line feed and the nonce with the delegated key.',
    };
  const verdict = verifier.verify(chainId, delegation, signature);
  if (verdict === undefined)
    return { code: 'service.overloaded', message: 'Too many agents connect at once.' };
  try {
    if (await verdict) return undefined;
  } catch (error) {
    logger.error({ err: error }, 'a delegation could not be checked');
    return { code: 'service.internal', message: 'The delegation could not be checked.' };
  }
  return {
    code: 'session.delegation_invalid',
    message: 'The delegation is not signed by the node’s wallet for this chain.',
    hint: `The chain id is ${chainId}; the domain is CapaCloud, version 1.`,
  };
}
