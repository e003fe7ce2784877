import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type Docker from 'dockerode';
import { runMark } from '../leftovers/run-mark.ts';
import { ManagedProcess, waitUntil } from '../programs/managed-process.ts';

const types = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;
const layerRepository = 'layers';
const startTimeoutMs = 60_000;

export interface Platform {
  readonly architecture: string;
  readonly os: string;
}

/** What differs from a common image. */
export interface OddImage {
  readonly config?: object;
  readonly diffId?: string;
  readonly top?: object;
}

/** What the engine under test runs on. */
export const hostPlatform: Platform = {
  architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as 'x64' | 'arm64'],
  os: 'linux',
};

interface Content {
  readonly mediaType: string;
  readonly size: number;
  readonly digest: string;
}

/**
 * Debian's docker-registry, which keeps images in memory. It listens on a socket in a folder of the test, so that no port has
 * to be guessed for it. Engines reach it through a proxy on the loopback interface, where they do without TLS.
 */
export class Registry {
  /** Method and path of every request that only reads. */
  readonly requests: string[] = [];
  readonly #dir: string;
  readonly #layer: Buffer;
  #stored: Promise<Content> | undefined;
  readonly #process: ManagedProcess;
  readonly #proxy: Server;

  private constructor(dir: string, layer: Buffer) {
    this.#dir = dir;
    this.#layer = layer;
    this.#process = new ManagedProcess({
      name: 'docker-registry',
      command: 'docker-registry',
      args: ['serve', join(dir, 'config.yml')],
      logFile: join(dir, 'registry.log'),
    });
    this.#proxy = openProxy(join(dir, 'socket'), this.requests);
  }

  /** `layer` is the tar of the one layer that every image has. */
  static async open(layer: Buffer): Promise<Registry> {
    const dir = await mkdtemp(join(tmpdir(), 'cc-registry-'));
    const registry = new Registry(dir, layer);
    try {
      await registry.#start();
    } catch (error) {
      await registry.close();
      throw error;
    }
    return registry;
  }

  /** How references to its images begin: the host, and the mark of the run, by which leftovers on an engine are found. */
  get base(): string {
    return `${this.host}/${runMark()}`;
  }

  /** Puts an image under a tag, and gives the digest of its manifest. It is another image each time. */
  async push(repository: string, tag: string, platform = hostPlatform): Promise<string> {
    return (await this.#putImage(repository, tag, platform)).digest;
  }

  /** Puts an image whose configuration holds what a registry would not look at. */
  async pushOdd(repository: string, odd: OddImage): Promise<void> {
    await this.#putImage(repository, 'v1', hostPlatform, odd);
  }

  /** Puts a list of images for several platforms under one tag, and gives the digest of the list. */
  async pushList(repository: string, tag: string, platforms: readonly Platform[]): Promise<string> {
    const images = platforms.map(async (platform) => {
      const { digest, ...image } = await this.#putImage(repository, undefined, platform);
      return { ...image, digest, platform };
    });
    return (await this.#putManifest(repository, tag, types.list, { manifests: await Promise.all(images) }))
      .digest;
  }

  /** What the engine calls the images that agents fetched from here. */
  async pulledNames(docker: Docker): Promise<readonly string[]> {
    const place = `pulled.capacloud.invalid/${this.host.replace(':', '-')}/`;
    const images = await docker.listImages();
    return images.flatMap(({ RepoTags }) => RepoTags ?? []).filter((name) => name.startsWith(place));
  }

  async removePulled(docker: Docker): Promise<void> {
    for (const name of await this.pulledNames(docker)) await docker.getImage(name).remove({ force: true });
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#proxy.close(resolve));
    this.#proxy.closeAllConnections();
    await Promise.all([closed, this.#process.stop()]);
    await rm(this.#dir, { recursive: true, force: true });
  }

  get host(): string {
    const address = this.#proxy.address();
    if (address === null || typeof address === 'string') throw new Error('the registry does not listen');
    return `127.0.0.1:${address.port}`;
  }

  async #start(): Promise<void> {
    await new Promise<void>((resolve) => this.#proxy.listen(0, '127.0.0.1', resolve));
    // JSON is YAML, too.
    const config = {
      version: '0.1',
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { inmemory: {} },
      http: { net: 'unix', addr: join(this.#dir, 'socket'), relativeurls: true },
    };
    await writeFile(join(this.#dir, 'config.yml'), JSON.stringify(config));
    this.#process.start();
    await waitUntil(
      'the registry to answer',
      () =>
        fetch(`http://${this.host}/v2/`).then(
          ({ ok }) => ok,
          () => false,
        ),
      { timeoutMs: startTimeoutMs, intervalMs: 20, process: this.#process },
    );
  }

  async #putImage(
    repository: string,
    tag: string | undefined,
    platform: Platform,
    { config: settings, diffId = digestOf(this.#layer), top }: OddImage = {},
  ): Promise<Content> {
    const image = {
      ...platform,
      config: {
        Cmd: ['sh', '-c', 'echo pulled'],
        Env: [`SALT=${randomBytes(8).toString('hex')}`],
        ...settings,
      },
      rootfs: { type: 'layers', diff_ids: [diffId] },
      history: [{ created_by: 'test' }],
      ...top,
    };
    const config = await this.#putBlob(repository, types.config, Buffer.from(JSON.stringify(image)));
    const layer = await this.#putLayer(repository);
    return await this.#putManifest(repository, tag, types.manifest, { config, layers: [layer] });
  }

  /** Its bytes are sent once: the registry knows them in the other repositories by their digest. */
  async #putLayer(repository: string): Promise<Content> {
    this.#stored ??= promisify(gzip)(this.#layer).then((bytes) =>
      this.#putBlob(layerRepository, types.layer, bytes),
    );
    const content = await this.#stored;
    const from = `${runMark()}/${layerRepository}`;
    const query = new URLSearchParams({ mount: content.digest, from });
    await this.#send('POST', this.#url(repository, `blobs/uploads/?${query.toString()}`));
    return content;
  }

  async #putBlob(repository: string, mediaType: string, bytes: Buffer): Promise<Content> {
    const content = { mediaType, size: bytes.length, digest: digestOf(bytes) };
    const begun = await this.#send('POST', this.#url(repository, 'blobs/uploads/'));
    const place = new URL(begun.headers.get('location') ?? '', begun.url);
    place.searchParams.set('digest', content.digest);
    await this.#send('PUT', place, { body: bytes, type: 'application/octet-stream' });
    return content;
  }

  /** Under its digest alone unless there is a tag. */
  async #putManifest(
    repository: string,
    tag: string | undefined,
    mediaType: string,
    value: object,
  ): Promise<Content> {
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...value }));
    const digest = digestOf(body);
    await this.#send('PUT', this.#url(repository, `manifests/${tag ?? digest}`), { body, type: mediaType });
    return { mediaType, size: body.length, digest };
  }

  #url(repository: string, path: string): URL {
    return new URL(`http://${this.host}/v2/${runMark()}/${repository}/${path}`);
  }

  async #send(
    method: string,
    url: URL,
    content?: { readonly body: Buffer; readonly type: string },
  ): Promise<Response> {
    const init =
      content === undefined ? {} : { body: content.body, headers: { 'content-type': content.type } };
    const response = await fetch(url, { method, ...init });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`the registry answers ${method} ${url.href} with ${response.status}: ${text}`);
    return response;
  }
}

/** Passes requests on to a socket, and notes those that only read. */
function openProxy(socketPath: string, requests: string[]): Server {
  return createServer((asked, answer) => {
    const { method = '', url: path = '', headers } = asked;
    if (method === 'GET' || method === 'HEAD') requests.push(`${method} ${path}`);
    const passedOn = request({ socketPath, method, path, headers }, (given) => {
      answer.writeHead(given.statusCode ?? 502, given.headers);
      given.on('error', () => answer.destroy()).pipe(answer);
    });
    passedOn.on('error', () => answer.destroy());
    asked.on('error', () => passedOn.destroy()).pipe(passedOn);
  });
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
