import { createHash } from 'node:crypto';
import { type ImageReference, imageReferenceText } from '@capacloud/protocol/job/image-reference';
import { pack } from 'tar-stream';
import { EngineUnavailable, type PullProgress } from '../core/ports.ts';
import { say } from '../core/sentence.ts';
import type { Engine } from '../engine/engine.ts';
import { deadlines, engineMessage, engineStatus } from '../engine/engine-call.ts';
import { wrongPlatform } from './image-platform.ts';
import { readLoadLines } from './load-lines.ts';
import { type ArchiveParts, writeArchive } from './registry/image-archive.ts';
import {
  type ImageConfigFile,
  parseImageConfig,
  plainConfig,
  settingsFault,
  settingsOf,
} from './registry/image-config.ts';
import type { LayerUse } from './registry/layer-meter.ts';
import { type ImageManifest, parseManifest, pickImage } from './registry/manifest.ts';
import { invalid, PullRefused, refusedPull } from './registry/pull-refused.ts';
import { RegistryClient, type RegistryClientOptions } from './registry/registry-client.ts';

/** Ends in a domain that no name server has, so nobody mistakes it for a place to pull from. */
const ownRegistry = 'pulled.capacloud.invalid';
/** How long an image may take on its way into the engine; what decides is that it goes on. */
const longestLoadMs = 7 * 24 * 3_600_000;

/** An image that its registry has, before any of its layers is fetched. */
export interface PullOffer {
  /** What the engine will call it. */
  readonly name: string;
  /** Of what the reference names: the list, where it is one. */
  readonly digest: string;
  /** Of its layers as they are transferred. */
  readonly totalBytes: number;
  readonly transfer: (
    engine: Engine,
    report: (progress: PullProgress) => void,
    signal: AbortSignal,
  ) => Promise<void>;
}

interface FoundImage {
  /** Of what the reference names: the list, where it is one. */
  readonly digest: string;
  readonly manifest: ImageManifest;
  readonly config: ImageConfigFile;
}

/**
 * Looks for an image in its registry. `transfer` fetches it and hands it to the engine as an archive. The engine itself asks
 * nobody: it would look up the names that a registry or a stranger gives, and go wherever these lead. Both throw PullRefused.
 */
export async function offerPull(
  registries: RegistryClientOptions,
  engineArch: string,
  reference: ImageReference,
  signal: AbortSignal,
): Promise<PullOffer> {
  const client = new RegistryClient(registries, reference);
  const { digest, manifest, config } = await findImage(client, engineArch, reference, signal);
  const name = engineName(reference, digest);
  const totalBytes = manifest.layers.reduce((sum, { size }) => sum + size, 0);
  const transfer: PullOffer['transfer'] = async (engine, report, limit) => {
    let doneBytes = 0;
    const unpacked = { bytes: 0, files: 0 };
    const tell = (stage: 'registry' | 'engine') => report({ doneBytes, totalBytes, unpacked, stage });
    tell('registry');
    const layers = manifest.layers.map((descriptor, index) => ({
      descriptor,
      diffId: config.rootfs.diff_ids[index] ?? '',
      open: () => client.blobStream(descriptor.digest, descriptor.size, limit),
    }));
    const onBytes = (bytes: number) => {
      doneBytes += bytes;
      tell('registry');
    };
    const onUse = ({ bytes, files }: LayerUse) => {
      unpacked.bytes += bytes;
      unpacked.files += files;
    };
    const archive = { name, config: plainConfig(config), layers, onBytes, onUse };
    await load(engine, archive, () => tell('engine'), limit);
  };
  return { name, digest, totalBytes, transfer };
}

async function findImage(
  client: RegistryClient,
  engineArch: string,
  reference: ImageReference,
  signal: AbortSignal,
): Promise<FoundImage> {
  const top = await client.manifest(reference.digest ?? reference.tag ?? 'latest', signal);
  let parsed = parseManifest(top.bytes);
  if (parsed.kind === 'list') {
    refuseOtherPlatforms(reference, parsed.platforms, engineArch);
    const chosen = pickImage(parsed.list, engineArch) ?? parsed.list[0];
    if (chosen === undefined) throw invalid(say`The reference names an empty list of images.`);
    parsed = parseManifest((await client.manifest(chosen.digest, signal)).bytes);
  }
  if (parsed.kind === 'list') throw invalid(say`The reference names a list of lists of images.`);
  const { image: manifest } = parsed;
  const config = parseImageConfig(await client.blob(manifest.config.digest, manifest.config.size, signal));
  if (config === undefined)
    throw invalid(say`The configuration of the image has a form that is not supported.`);
  const { architecture = '', os = '' } = config;
  refuseOtherPlatforms(reference, [{ architecture, os }], engineArch);
  if (manifest.layers.length === 0 || config.rootfs.diff_ids.length !== manifest.layers.length)
    throw invalid(say`The configuration of the image does not name each of its layers once.`);
  const fault = settingsFault(settingsOf(config));
  if (fault !== undefined) throw invalid(fault);
  return { digest: top.digest, manifest, config };
}

function refuseOtherPlatforms(
  reference: ImageReference,
  platforms: Parameters<typeof wrongPlatform>[1],
  engineArch: string,
): void {
  const wrong = wrongPlatform(imageReferenceText(reference), platforms, engineArch);
  if (wrong !== undefined) throw new PullRefused(wrong);
}

/** So the owner sees what it is, and no tag of the owner's ever means a stranger's image. */
export function engineName({ registry, repository }: ImageReference, digest: string): string {
  // No part of a name may begin or end with a dash, as those of an IPv6 address would.
  const path = `/${registry.toLowerCase()}/${repository}`
    .replace(/[^a-z0-9./_-]/g, '-')
    .replace(/\/-+|-+\//g, '/')
    .slice(1);
  const longest = 200;
  const short = createHash('sha256').update(path).digest('hex');
  return `${ownRegistry}/${path.length > longest ? short : path}:${digest.replace(':', '-').slice(0, 128)}`;
}

async function load(
  engine: Engine,
  parts: Omit<ArchiveParts, 'onWait'>,
  onEngine: () => void,
  signal: AbortSignal,
): Promise<void> {
  const archive = pack();
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  let timer: NodeJS.Timeout | undefined;
  const onWait = (isWaiting: boolean) => {
    clearTimeout(timer);
    const hangs = () => stop.abort(new EngineUnavailable('The container engine takes no more of an image.'));
    timer = isWaiting ? setTimeout(hangs, deadlines.idleMs) : undefined;
  };
  let refusal: unknown;
  const written = writeArchive(archive, { ...parts, onWait }, both).then(onEngine, (error: unknown) => {
    refusal = error;
    // The engine's connection ends, so it takes nothing of an archive that is not whole.
    stop.abort(new Error('the archive was given up', { cause: error }));
  });
  try {
    const stream = await engine.loadImage(archive, longestLoadMs, both);
    for await (const { error } of readLoadLines(stream.chunks)) {
      onEngine();
      if (error !== undefined) throw refusedByEngine(error);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (refusal instanceof PullRefused) throw refusal;
    if (engineStatus(error) === undefined) throw error;
    throw refusedByEngine(engineMessage(error));
  } finally {
    clearTimeout(timer);
    archive.destroy();
    stop.abort();
    await written;
  }
}

/** The client takes any stream and a signal; its typings leave them out. */

function refusedByEngine(detail: string): PullRefused {
  return refusedPull('image_refused', say`The container engine of the node did not take the image.`, detail);
}
