import { createHash } from 'node:crypto';
import type { Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { abortable } from '@capacloud/waiting/abortable';
import type { Pack } from 'tar-stream';
import { say } from '../../core/sentence.ts';
import { LayerMeter, type LayerUse, OddLayer } from './layer-meter.ts';
import { compressionHeadBytes, compressionOf, type Descriptor } from './manifest.ts';
import { badAnswer, invalid, refusedPull } from './pull-refused.ts';

export interface ArchiveLayer {
  readonly descriptor: Descriptor;
  /** Hash of the layer when it is unpacked, by the configuration. */
  readonly diffId: string;
  readonly open: () => AsyncIterable<Buffer>;
}

export interface ArchiveParts {
  /** What the engine calls the image. */
  readonly name: string;
  readonly config: Buffer;
  readonly layers: readonly ArchiveLayer[];
  readonly onBytes: (bytes: number) => void;
  /** So much more is what the layers take on the disk. */
  readonly onUse: (use: LayerUse) => void;
  /** The engine is waited for, and then no more. */
  readonly onWait: (isWaiting: boolean) => void;
}

/**
 * Writes what `docker load` reads. The list of contents comes last, so an archive that breaks off means nothing. Each layer is
 * compared with both of its hashes: that of what came over the network, and that of what it unpacks to. With the second nobody
 * gets a layer of the owner's by naming its hash and bringing another content.
 */
export async function writeArchive(archive: Pack, parts: ArchiveParts, signal: AbortSignal): Promise<void> {
  const names: string[] = [];
  for (const [index, layer] of parts.layers.entries()) {
    const name = `${index}/layer.tar`;
    names.push(name);
    const entry = archive.entry({ name, size: layer.descriptor.size, mode: 0o600, mtime: new Date(0) });
    for await (const chunk of checked(layer, parts.onUse)) {
      parts.onBytes(chunk.length);
      if (entry.write(chunk)) continue;
      parts.onWait(true);
      await untilTaken(entry, signal);
      parts.onWait(false);
    }
    // The typings want bytes here as well.
    entry.end(Buffer.alloc(0));
    // What it unpacks to is known only now; where that is too much, the archive must not become whole.
    parts.onBytes(0);
    signal.throwIfAborted();
  }
  const config = 'config.json';
  const contents = [{ Config: config, RepoTags: [parts.name], Layers: names }];
  archive.entry({ name: config, mode: 0o600, mtime: new Date(0) }, parts.config);
  archive.entry(
    { name: 'manifest.json', mode: 0o600, mtime: new Date(0) },
    Buffer.from(JSON.stringify(contents)),
  );
  archive.finalize();
}

/** Until more can be written. Throws the signal's reason, or where nothing will be read any more. */
async function untilTaken(entry: ReturnType<Pack['entry']>, signal: AbortSignal): Promise<void> {
  const taken = Promise.withResolvers<void>();
  const onClose = () => taken.reject(new Error('the archive was closed'));
  entry.once('drain', taken.resolve);
  entry.once('close', onClose);
  try {
    await abortable(taken.promise, signal);
  } finally {
    entry.off('drain', taken.resolve);
    entry.off('close', onClose);
  }
}

async function* checked(
  { descriptor, diffId, open }: ArchiveLayer,
  onUse: (use: LayerUse) => void,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let unpacked: Unpacked | undefined;
  let bytes = 0;
  try {
    for await (const chunk of withWholeHead(open())) {
      bytes += chunk.length;
      hash.update(chunk);
      unpacked ??= new Unpacked(chunk, onUse);
      await unpacked.add(chunk);
      yield chunk;
    }
    if (bytes !== descriptor.size || `sha256:${hash.digest('hex')}` !== descriptor.digest)
      throw badAnswer(`${descriptor.digest} has other bytes`);
    if ((await unpacked?.digest()) !== diffId)
      throw invalid(say`A layer of the image does not unpack to what the configuration of the image says.`);
  } finally {
    unpacked?.close();
  }
}

/** A registry may send its first bytes one by one; how a layer is compressed is seen in several. */
async function* withWholeHead(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head === undefined) yield chunk;
    else {
      head = Buffer.concat([head, chunk]);
      if (head.length < compressionHeadBytes) continue;
      yield head;
      head = undefined;
    }
  }
  if (head !== undefined && head.length > 0) yield head;
}

/** The hash of what a layer unpacks to, and what that takes. Throws PullRefused for what engines would read otherwise. */
class Unpacked {
  readonly #hash = createHash('sha256');
  readonly #stream: Transform | undefined;
  readonly #meter: LayerMeter;
  #isBroken = false;
  #odd: OddLayer | undefined;

  constructor(head: Buffer, onUse: (use: LayerUse) => void) {
    this.#meter = new LayerMeter(onUse);
    const kind = compressionOf(head);
    if (kind === 'unsupported')
      throw invalid(
        say`A layer of the image is compressed in a way that is not supported: use gzip or zstd.`,
      );
    if (kind === 'none') return;
    this.#stream = kind === 'gzip' ? createGunzip() : createZstdDecompress();
    this.#stream.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#stream.on('error', () => {
      this.#isBroken = true;
    });
  }

  async add(chunk: Buffer): Promise<void> {
    if (this.#stream === undefined) this.#take(chunk);
    else if (!this.#isBroken && !this.#stream.write(chunk)) await this.#settled('drain');
    this.#refuseOdd();
  }

  /** Undefined where it is no archive of its kind. */
  async digest(): Promise<string | undefined> {
    if (this.#stream !== undefined && !this.#isBroken) {
      const ended = this.#settled('end');
      this.#stream.end();
      await ended;
    }
    this.#refuseOdd();
    return this.#isBroken ? undefined : `sha256:${this.#hash.digest('hex')}`;
  }

  close(): void {
    this.#stream?.destroy();
  }

  #take(chunk: Buffer): void {
    this.#hash.update(chunk);
    if (this.#odd !== undefined) return;
    try {
      this.#meter.take(chunk);
    } catch (error) {
      if (!(error instanceof OddLayer)) throw error;
      this.#odd = error;
    }
  }

  #refuseOdd(): void {
    if (this.#odd === undefined) return;
    throw refusedPull(
      'image_invalid',
      say`A layer of the image is no tar archive, or has an entry that is not supported, such as a sparse file.`,
      this.#odd.message,
    );
  }

  async #settled(event: 'drain' | 'end'): Promise<void> {
    const settled = Promise.withResolvers<void>();
    const names = [event, 'close', 'error'];
    for (const name of names) this.#stream?.once(name, settled.resolve);
    await settled.promise;
    for (const name of names) this.#stream?.off(name, settled.resolve);
  }
}
