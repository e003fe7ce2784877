import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { Route } from '@capacloud/protocol/routes/routes';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ClientAddresses } from '../client-addresses.ts';
import { type Authentication, authorise } from './authentication.ts';
import type { Caller } from './caller.ts';
import type { ApiDependencies } from './dependencies.ts';
import { type RateDecision, TokenBuckets } from './rate-limit.ts';

const maxAccounts = 10_000;
const maxAddresses = 50_000;

/** Lets a request in: rate by address, credentials, rate by account, scope, in the order of what each costs. */
export class Admission {
  readonly #authentication: Authentication;
  readonly #clients: ClientAddresses;
  readonly #accounts: TokenBuckets;
  readonly #addresses: TokenBuckets;
  readonly #anonymous: TokenBuckets;

  constructor(authentication: Authentication, deps: ApiDependencies) {
    const { rates } = deps.settings;
    this.#authentication = authentication;
    this.#clients = deps.clients;
    this.#accounts = new TokenBuckets(rates.account, maxAccounts, deps.now);
    this.#addresses = new TokenBuckets(rates.address, maxAddresses, deps.now);
    this.#anonymous = new TokenBuckets(rates.anonymous, maxAddresses, deps.now);
  }

  async admit(
    route: Route,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<Result<Caller | undefined>> {
    const address = this.addressOf(request);
    const byAddress = this.#addresses.take(address);
    if (!byAddress.allowed) return limited(reply, 'address', byAddress, this.#addresses);
    const identified = await this.identify(request);
    const caller = identified.ok ? identified.value : undefined;
    if (caller === undefined) {
      const anonymous = this.#anonymous.take(address);
      if (!anonymous.allowed) return limited(reply, 'anonymous', anonymous, this.#anonymous);
      writeHeaders(reply, 'anonymous', anonymous, this.#anonymous);
    } else {
      this.#clients.know(address);
      const account = this.#accounts.take(bucketOf(caller));
      if (!account.allowed) return limited(reply, 'account', account, this.#accounts);
      writeHeaders(reply, 'account', account, this.#accounts);
    }
    if (!identified.ok) return route.auth === 'none' ? accept(undefined) : identified;
    return authorise(route, caller);
  }

  /** Who calls, by what the request brings. */
  identify(request: FastifyRequest): Promise<Result<Caller | undefined>> {
    return this.#authentication.identify(request.headers.authorization);
  }

  /** A body that asks for more than one call's work counts as so many calls of its account. */
  weigh(route: Route, request: FastifyRequest, body: unknown): void {
    if (route.weigh !== undefined) this.charge(request, route.weigh(body) - 1);
  }

  /** Counts what a call turned out to cost. */
  charge(request: FastifyRequest, calls: number): void {
    const { caller } = request;
    if (caller === undefined) this.#anonymous.charge(this.addressOf(request), calls);
    else this.#accounts.charge(bucketOf(caller), calls);
  }

  /** Who calls, for bounds: the account, the node or the address. */
  nameOf(request: FastifyRequest): string {
    return request.caller === undefined ? this.addressOf(request) : bucketOf(request.caller);
  }

  /** By which the request counts. */
  addressOf(request: FastifyRequest): string {
    return this.#clients.of(request.raw);
  }
}

function bucketOf(caller: Caller): string {
  return caller.kind === 'key' ? caller.account : caller.node;
}

/** draft-ietf-httpapi-ratelimit-headers-10. */
function writeHeaders(
  reply: FastifyReply,
  name: string,
  decision: RateDecision,
  { policy }: TokenBuckets,
): void {
  const windowS = Math.max(1, Math.ceil(policy.burst / policy.perSecond));
  reply.header('ratelimit-policy', `"${name}";q=${policy.burst};w=${windowS}`);
  reply.header('ratelimit', `"${name}";r=${decision.remaining};t=${decision.resetS}`);
}

function limited(
  reply: FastifyReply,
  name: string,
  decision: RateDecision,
  buckets: TokenBuckets,
): Result<never> {
  writeHeaders(reply, name, decision, buckets);
  reply.header('retry-after', `${Math.max(1, decision.resetS)}`);
  const { perSecond, burst } = buckets.policy;
  return refuse(
    'request.rate_limited',
    `More than ${perSecond} calls a second (${burst} at once) came from this ${name === 'account' ? 'account' : 'address'}.`,
  );
}
