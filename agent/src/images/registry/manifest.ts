import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import { say } from '../../core/sentence.ts';
import { isRightPlatform, type Platform } from '../image-platform.ts';
import { invalid } from './pull-refused.ts';

/** Of a manifest, and of a list of them; registries take no larger ones. */
export const maxManifestBytes = 4 * 2 ** 20;
/** Of an image's configuration. */
export const maxConfigBytes = 2 ** 20;
/** Engines stack no more. */
export const maxImageLayers = 125;
const maxListed = 1024;
const maxLayerBytes = 2 ** 40;

const DigestSchema = Type.String({ pattern: '^sha256:[0-9a-f]{64}$', maxLength: 71 });
const DescriptorSchema = Type.Object({
  mediaType: Type.Optional(Type.String({ maxLength: 255 })),
  digest: DigestSchema,
  size: Type.Integer({ minimum: 0, maximum: maxLayerBytes }),
});
export type Descriptor = Static<typeof DescriptorSchema>;

const ImageSchema = Type.Object({
  schemaVersion: Type.Literal(2),
  config: DescriptorSchema,
  layers: Type.Array(DescriptorSchema, { maxItems: maxListed }),
});
export type ImageManifest = Static<typeof ImageSchema>;

const ListSchema = Type.Object({
  schemaVersion: Type.Literal(2),
  manifests: Type.Array(
    Type.Object({
      digest: DigestSchema,
      size: Type.Integer({ minimum: 0, maximum: maxManifestBytes }),
      platform: Type.Optional(
        Type.Object({
          architecture: Type.String({ maxLength: 64 }),
          os: Type.String({ maxLength: 64 }),
          variant: Type.Optional(Type.String({ maxLength: 64 })),
        }),
      ),
    }),
    { maxItems: maxListed },
  ),
});
type Listed = Static<typeof ListSchema>['manifests'][number];

const configTypes = [
  'application/vnd.docker.container.image.v1+json',
  'application/vnd.oci.image.config.v1+json',
];
export const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const layerType =
  /^application\/vnd\.(?:docker\.image\.rootfs\.diff|oci\.image\.layer\.v1)\.tar(?:[.+](gzip|zstd))?$/;

export type Compression = 'none' | 'gzip' | 'zstd' | 'unsupported';
/** So many bytes at the start of a layer tell how it is compressed. */
export const compressionHeadBytes = 6;

export type ParsedManifest =
  | { readonly kind: 'image'; readonly image: ImageManifest }
  | { readonly kind: 'list'; readonly platforms: readonly Platform[]; readonly list: readonly Listed[] };

/** Throws PullRefused for what is no image. What it is called is not asked: its fields say what it is. */
export function parseManifest(bytes: Buffer): ParsedManifest {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw invalid(say`The manifest of the image is not JSON.`);
  }
  if (Value.Check(ListSchema, value)) {
    const list = value.manifests;
    return {
      kind: 'list',
      list,
      platforms: list.flatMap(({ platform }) => (platform === undefined ? [] : [platform])),
    };
  }
  if (!Value.Check(ImageSchema, value))
    throw invalid(
      say`The manifest of the image has a form that is not supported: it has to be one of Docker (version 2) or OCI, with sha256 digests.`,
    );
  const { config, layers } = value;
  if (config.mediaType !== undefined && !configTypes.includes(config.mediaType))
    throw invalid(say`The reference names something that is no container image.`);
  if (config.size > maxConfigBytes)
    throw invalid(say`The configuration of the image is larger than ${maxConfigBytes} bytes.`);
  if (layers.length > maxImageLayers)
    throw invalid(say`The image has ${layers.length} layers; ${maxImageLayers} are allowed.`);
  for (const { mediaType } of layers)
    if (mediaType !== undefined && !layerType.test(mediaType))
      throw invalid(
        say`The image has a layer of a kind that is not supported: foreign, encrypted or no tar archive.`,
      );
  return { kind: 'image', image: value };
}

/** bzip2, xz, and a frame of zstd without content: some engines unpack what begins so. */
const unsupportedHeads = /^(?:425a68|fd377a585a00|5.2a4d18)/;

/** By the first bytes, as engines do: what the manifest calls it may be wrong. */
export function compressionOf(head: Buffer): Compression {
  const digits = head.toString('hex', 0, compressionHeadBytes);
  if (digits.startsWith('1f8b08')) return 'gzip';
  if (digits.startsWith('28b52ffd')) return 'zstd';
  return unsupportedHeads.test(digits) ? 'unsupported' : 'none';
}

/** The image of a list that runs best on the engine; undefined where none is known to. */
export function pickImage(list: readonly Listed[], engineArch: string): Listed | undefined {
  return list
    .filter(({ platform }) => platform !== undefined && isRightPlatform(platform, engineArch))
    .toSorted((a, b) => rank(a) - rank(b))[0];
}

/** The variant that most processors of the kind run comes first. */
function rank({ platform }: Listed): number {
  const variants = platform?.architecture === 'arm' ? ['v7', 'v6', 'v5'] : ['', 'v1', 'v8', 'v2', 'v3', 'v4'];
  const place = variants.indexOf(platform?.variant ?? '');
  return place < 0 ? variants.length : place;
}
