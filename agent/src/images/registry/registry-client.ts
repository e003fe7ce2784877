import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { ImageReference } from '@capacloud/protocol/job/image-reference';
import {
  type AllowedRegistry,
  contentOrigin,
  type RegistryOrigin,
  registryOrigin,
  tokenOrigin,
} from '../../core/registries.ts';
import { own, say } from '../../core/sentence.ts';
import {
  bodyOf,
  GuardedClient,
  type RegistryNetwork,
  RegistryUnreachable,
  readBody,
} from './guarded-client.ts';
import { manifestTypes, maxManifestBytes } from './manifest.ts';
import { badAnswer, notAllowed, refusedPull, sentElsewhere, unreachable } from './pull-refused.ts';
import { readChallenge, readToken } from './token.ts';

const maxTokenBytes = 256 * 1024;
const maxRedirects = 5;
/** A registry that is away for a moment is asked again before anybody hears of it. */
const tries = 3;
const resumes = 8;

export interface RegistryClientOptions {
  readonly allowed: readonly AllowedRegistry[];
  readonly network: RegistryNetwork;
  /** Before the second try, and twice that before the third. Default 2 s. */
  readonly retryMs?: number;
}

interface Place {
  readonly origin: RegistryOrigin;
  readonly url: URL;
}

/** What one registry has of one repository. Every throw is PullRefused, or the signal's reason. */
export class RegistryClient {
  readonly #client: GuardedClient;
  readonly #allowed: readonly AllowedRegistry[];
  readonly #retryMs: number;
  readonly #origin: RegistryOrigin;
  readonly #reference: ImageReference;
  #token: string | undefined;

  constructor({ allowed, network, retryMs = 2000 }: RegistryClientOptions, reference: ImageReference) {
    const origin = registryOrigin(allowed, reference);
    // Before a name is looked up: what is not allowed cannot be told apart, whether it is there or not.
    if (origin === undefined) throw notAllowed(reference.registry);
    this.#client = new GuardedClient(network);
    this.#allowed = allowed;
    this.#retryMs = retryMs;
    this.#origin = origin;
    this.#reference = reference;
  }

  /** The manifest under a tag or digest, with its digest, which was compared where one was asked for. */
  async manifest(
    version: string,
    signal: AbortSignal,
  ): Promise<{ readonly bytes: Buffer; readonly digest: string }> {
    return await this.#retry(signal, async () => {
      const response = await this.#open(`manifests/${version}`, { accept: manifestTypes.join(', ') }, signal);
      const bytes = await readBody(response, maxManifestBytes);
      if (bytes === undefined) throw badAnswer(`a manifest is larger than ${maxManifestBytes} bytes`);
      const [algorithm = ''] = version.includes(':') ? version.split(':') : ['sha256'];
      const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
      if (version.includes(':') && version !== digest) throw badAnswer(`a manifest has the digest ${digest}`);
      return { bytes, digest };
    });
  }

  /** A small blob as a whole; its hash was compared. */
  async blob(digest: string, sizeBytes: number, signal: AbortSignal): Promise<Buffer> {
    return await this.#retry(signal, async () => {
      const bytes = await readBody(await this.#open(`blobs/${digest}`, {}, signal), sizeBytes);
      const found = bytes && `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      if (bytes?.length !== sizeBytes || found !== digest) throw badAnswer(`${digest} has other bytes`);
      return bytes;
    });
  }

  /**
   * The bytes of a blob, as many as it has, as they come. The reader compares the hash. What breaks off goes on where it
   * broke off.
   */
  async *blobStream(digest: string, sizeBytes: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    let doneBytes = 0;
    for (let resume = 0; ; resume += 1) {
      const before = doneBytes;
      try {
        const response = await this.#retry(signal, () =>
          this.#open(`blobs/${digest}`, doneBytes === 0 ? {} : { range: `bytes=${doneBytes}-` }, signal),
        );
        let skipBytes = response.statusCode === 206 ? 0 : doneBytes;
        for await (const chunk of bodyOf(response)) {
          const fresh = chunk.subarray(Math.min(skipBytes, chunk.length));
          skipBytes -= chunk.length - fresh.length;
          doneBytes += fresh.length;
          if (doneBytes > sizeBytes) throw badAnswer(`${digest} has more than ${sizeBytes} bytes`);
          if (fresh.length > 0) yield fresh;
        }
        if (doneBytes < sizeBytes) throw new RegistryUnreachable(`${digest} ended after ${doneBytes} bytes`);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof RegistryUnreachable)) throw error;
        if (resume >= resumes || doneBytes === before) throw unreachable(error.message);
      }
    }
  }

  async #retry<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await action();
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof RegistryUnreachable)) throw error;
        if (attempt >= tries) throw unreachable(error.message);
        await delay(this.#retryMs * attempt, undefined, { signal });
      }
    }
  }

  /** An answer with content; what is no content is thrown. RegistryUnreachable is worth another try. */
  async #open(
    what: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const place = this.#place(what);
    let response = await this.#follow(place, headers, signal);
    if (response.statusCode === 401 && this.#token === undefined) {
      const challenge = response.headers['www-authenticate'];
      response.destroy();
      this.#token = await this.#askToken(challenge ?? '', signal);
      response = await this.#follow(place, headers, signal);
    }
    const status = response.statusCode ?? 0;
    if (status === 200 || status === 206) return response;
    response.destroy();
    if (status === 401 || status === 403 || status === 404) throw this.#missing(`${what}: HTTP ${status}`);
    if (status === 408 || status === 429 || status >= 500)
      throw new RegistryUnreachable(`${place.url.host} answers with HTTP ${status}`);
    throw badAnswer(`${place.url.host} answers with HTTP ${status}`);
  }

  #missing(detail: string) {
    const { repository, registry } = this.#reference;
    return refusedPull(
      'image_not_found',
      say`${own(`${registry}/${repository}`)}: the registry has no such image, or does not show it without a password.`,
      detail,
    );
  }

  #place(what: string): Place {
    const { host, port, protocol } = this.#origin;
    const base = `${protocol}//${host}${port === '' ? '' : `:${port}`}`;
    return { origin: this.#origin, url: new URL(`${base}/v2/${this.#reference.repository}/${what}`) };
  }

  /** With the token to the registry itself alone. */
  async #follow(
    start: Place,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    let { origin, url } = start;
    for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
      const isHome = url.origin === start.url.origin;
      const authorization =
        isHome && this.#token !== undefined ? { authorization: `Bearer ${this.#token}` } : {};
      const response = await this.#client.get(origin, url, { ...headers, ...authorization }, signal);
      const status = response.statusCode ?? 0;
      if (status < 300 || status > 399 || status === 304) return response;
      response.destroy();
      const next = URL.parse(response.headers.location ?? '', url.href);
      const allowed = next === null ? undefined : contentOrigin(this.#allowed, this.#origin, next);
      if (next === null || allowed === undefined)
        throw sentElsewhere(
          `${url.host} redirects to ${(response.headers.location ?? 'nowhere').slice(0, 200)}`,
        );
      origin = allowed;
      url = next;
    }
    throw badAnswer(`${start.url.host} redirects more than ${maxRedirects} times`);
  }

  async #askToken(challenge: string, signal: AbortSignal): Promise<string> {
    const asked = readChallenge(challenge);
    if (asked === undefined) throw this.#missing(`it wants a password: ${challenge.slice(0, 200)}`);
    const origin = tokenOrigin(this.#allowed, this.#origin, asked.realm);
    if (origin === undefined) throw sentElsewhere(`it asks for a token of ${asked.realm.href.slice(0, 200)}`);
    const url = new URL(asked.realm);
    if (asked.service !== undefined) url.searchParams.set('service', asked.service);
    url.searchParams.set('scope', `repository:${this.#reference.repository}:pull`);
    const response = await this.#client.get(origin, url, { accept: 'application/json' }, signal);
    const status = response.statusCode ?? 0;
    if (status !== 200) {
      response.destroy();
      if (status === 429 || status >= 500)
        throw new RegistryUnreachable(`${url.host} answers with HTTP ${status}`);
      // A place for tokens follows no redirect: it would be one that the registry did not name.
      throw status >= 400
        ? this.#missing(`no token: HTTP ${status}`)
        : sentElsewhere(`${url.host} answers for a token with HTTP ${status}`);
    }
    const token = readToken(await readBody(response, maxTokenBytes));
    if (token === undefined) throw badAnswer(`${url.host} gives no token`);
    return token;
  }
}
