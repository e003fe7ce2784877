import type { KeyObject } from 'node:crypto';
import type { Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import { maxDelegationLifetimeS } from '@capacloud/protocol/wire/delegation';
import type { ChallengeFrame, HelloFrame } from '@capacloud/protocol/wire/frames';
import { chooseProtocol } from '@capacloud/protocol/wire/frames';
import { resumptionProtocol } from '@capacloud/protocol/wire/protocol-versions';
import { importSessionKey } from './ed25519.ts';

/** Allowed to the agent's clock beyond the longest lifetime. */
const clockSkewS = 300;

export interface CheckedHello {
  readonly protocol: number;
  readonly sessionKey: KeyObject;
  /** It brings a delegation of an earlier connection, which has to be the node's newest. */
  readonly resumes: boolean;
}

/** Everything about a hello but its two signatures, which cost more and are checked in threads. */
export function checkHello(
  hello: HelloFrame,
  challenge: ChallengeFrame,
  nowMs: number,
): Result<CheckedHello> {
  const protocol = chooseProtocol(challenge.protocols, hello.protocols);
  if (protocol === undefined)
    return refuse(
      'session.protocol_unsupported',
      `This coordinator speaks protocol ${challenge.protocols.join(', ')}, the agent ${hello.protocols.join(', ')}.`,
    );
  const { delegation } = hello;
  const invalid = (message: string, hint: string) => refuse('session.delegation_invalid', message, { hint });
  if (delegation.coordinator !== challenge.coordinator)
    return invalid(
      'The delegation is for another coordinator.',
      `The coordinator's name is ${challenge.coordinator}.`,
    );
  const resumes = delegation.nonce !== challenge.nonce;
  if (resumes && protocol < resumptionProtocol)
    return invalid('The delegation does not answer this challenge.', 'Sign the nonce of this connection.');
  const nowS = Math.floor(nowMs / 1000);
  if (delegation.expiresAt <= nowS)
    return invalid('The delegation has expired.', `Check the clock: here it is ${nowS} (Unix seconds).`);
  if (delegation.expiresAt > nowS + maxDelegationLifetimeS + clockSkewS)
    return invalid(
      `A delegation lasts at most ${maxDelegationLifetimeS} seconds.`,
      `Check the clock: here it is ${nowS} (Unix seconds).`,
    );
  const sessionKey = importSessionKey(delegation.sessionKey);
  if (sessionKey === undefined) return invalid('The session key is no Ed25519 key.', 'Make a new one.');
  return accept({ protocol, sessionKey, resumes });
}
