import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';

const types = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

export interface Platform {
  readonly architecture: string;
  readonly os: string;
}

/** A registry on the loopback interface, which engines talk to without TLS. It serves what it is given. */
export interface SmallRegistry {
  /** Host and port, with which references begin. */
  readonly host: string;
  /** Method and path of what was asked for. */
  readonly requests: string[];
  /** An image of one layer under a tag; gives the digest of its manifest. Each is another image, also of the same layer. */
  push(repository: string, tag: string, layer: Buffer, platform?: Platform): string;
  /** A list of images for several platforms under one tag; gives the digest of the list. */
  pushList(repository: string, tag: string, layer: Buffer, platforms: readonly Platform[]): string;
  close(): Promise<void>;
}

/** What the engine under test runs on. */
export const hostPlatform: Platform = {
  architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as 'x64' | 'arm64'],
  os: 'linux',
};

interface Content {
  readonly type: string;
  readonly bytes: Buffer;
}

export async function openSmallRegistry(): Promise<SmallRegistry> {
  const blobs = new Map<string, Content>();
  const tags = new Map<string, string>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const [, repository, kind, reference = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(request.url ?? '') ?? [];
    const digest = reference.includes(':') ? reference : (tags.get(`${repository}:${reference}`) ?? '');
    const found =
      request.url === '/v2/' ? { type: 'application/json', bytes: Buffer.from('{}') } : blobs.get(digest);
    if (found === undefined) {
      const code = kind === 'manifests' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN';
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ errors: [{ code, message: 'manifest unknown' }] }));
      return;
    }
    response.writeHead(200, {
      'content-type': found.type,
      'content-length': found.bytes.length,
      'docker-distribution-api-version': 'registry/2.0',
      ...(digest === '' ? {} : { 'docker-content-digest': digest }),
    });
    response.end(request.method === 'HEAD' ? undefined : found.bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');

  const keep = (type: string, bytes: Buffer) => {
    const digest = digestOf(bytes);
    blobs.set(digest, { type, bytes });
    return { mediaType: type, size: bytes.length, digest };
  };
  const keepJson = (type: string, value: object) => keep(type, Buffer.from(JSON.stringify(value)));
  const keepImage = (layer: Buffer, platform: Platform) => {
    const config = keepJson(types.config, {
      ...platform,
      config: { Cmd: ['sh', '-c', 'echo pulled'], Env: [`SALT=${randomBytes(8).toString('hex')}`] },
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
      history: [{ created_by: 'test' }],
    });
    const layers = [keep(types.layer, gzipSync(layer))];
    return keepJson(types.manifest, { schemaVersion: 2, mediaType: types.manifest, config, layers });
  };
  return {
    host: `127.0.0.1:${address.port}`,
    requests,
    push(repository, tag, layer, platform = hostPlatform) {
      const { digest } = keepImage(layer, platform);
      tags.set(`${repository}:${tag}`, digest);
      return digest;
    },
    pushList(repository, tag, layer, platforms) {
      const manifests = platforms.map((platform) => ({ ...keepImage(layer, platform), platform }));
      const { digest } = keepJson(types.list, { schemaVersion: 2, mediaType: types.list, manifests });
      tags.set(`${repository}:${tag}`, digest);
      return digest;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
