import { type ChallengeFrame } from '@capacloud/protocol/wire/frames';
import { resumptionProtocol } from '@capacloud/protocol/wire/protocol-versions';
import type { Clock } from '../core/clock.ts';
import type { Delegated, NodeIdentity } from './identity.ts';

/** What a session is opened with, and until when its key is good, by the clock that counts since boot. */
export interface Greeting extends Delegated {
  readonly chainId: number;
  readonly untilMs: number;
}

/** A key is not used for its last hour: a session that it opens would have to end soon. */
export const renewBeforeMs = 3_600_000;

/**
 * Answers challenges: with the last session's key and delegation where the coordinator resumes sessions, else
 * with new ones. A wallet's signature costs both sides milliseconds, and after a restart of the coordinator
 * every node comes at once. What is kept is kept in memory only.
 */
export class Greeter {
  readonly #identity: NodeIdentity;
  readonly #clock: Clock;
  #kept: Greeting | undefined;

  constructor(identity: NodeIdentity, clock: Clock) {
    this.#identity = identity;
    this.#clock = clock;
  }

  async greet(challenge: ChallengeFrame): Promise<Greeting> {
    const kept = this.#kept;
    if (kept !== undefined && this.#fits(kept, challenge)) return kept;
    const nowMs = this.#clock.bootMs();
    const delegated = await this.#identity.delegate(challenge);
    return { ...delegated, chainId: challenge.chainId, untilMs: nowMs + delegated.lifetimeMs };
  }

  /** The coordinator has taken it. */
  keep(greeting: Greeting): void {
    this.#kept = greeting;
  }

  /** The next session begins with a new key. */
  forget(): void {
    this.#kept = undefined;
  }

  #fits(kept: Greeting, challenge: ChallengeFrame): boolean {
    return (
      challenge.protocols.includes(resumptionProtocol) &&
      challenge.chainId === kept.chainId &&
      challenge.coordinator === kept.delegation.coordinator &&
      this.#clock.bootMs() < kept.untilMs - renewBeforeMs
    );
  }
}
