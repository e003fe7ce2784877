import { posix } from 'node:path';

const blockBytes = 512;
/** Of the names and attributes that come before an entry; engines take no more either. */
const maxTextBytes = 2 ** 20;
/** File systems give out room in pages of this size, also to a file of one byte, a folder and a long link. */
const pageBytes = 4096;
/** The file system keeps a shorter link in its inode. */
const inlineLinkChars = 59;

/** What a layer takes on the engine's disk. */
export interface LayerUse {
  readonly bytes: number;
  readonly files: number;
}

/** The layer is no tar archive, or one whose entries programs read in different ways. */
export class OddLayer extends Error {
  override readonly name = 'OddLayer';
}

/** A text that comes before the entry that it describes. */
interface Text {
  readonly kind: 'pax' | 'name' | 'link';
  readonly size: number;
  readonly parts: Buffer[];
}

/**
 * Measures what a layer will take on the disk while it comes by. Its bytes say little of that: a folder tree in one path, a
 * million files of one byte and a sparse file, which engines write out in full, take much more than their archive.
 */
export class LayerMeter {
  readonly #block = Buffer.alloc(blockBytes);
  readonly #onUse: (use: LayerUse) => void;
  #filled = 0;
  /** Of an entry's content and the padding after it. */
  #contentBytes = 0;
  #text: Text | undefined;
  #pax: ReadonlyMap<string, string> | undefined;
  #longName: string | undefined;
  #hasLongLink = false;
  #previous: readonly string[] = [];
  #zeroBlocks = 0;

  constructor(onUse: (use: LayerUse) => void) {
    this.#onUse = onUse;
  }

  /** Throws OddLayer. */
  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#zeroBlocks === 2) {
        // Nothing after the end is unpacked, but the engine keeps it.
        this.#onUse({ bytes: chunk.length - at, files: 0 });
        return;
      }
      at += this.#contentBytes > 0 ? this.#content(chunk.subarray(at)) : this.#fill(chunk.subarray(at));
    }
  }

  #content(chunk: Buffer): number {
    const piece = chunk.subarray(0, Math.min(this.#contentBytes, chunk.length));
    this.#contentBytes -= piece.length;
    this.#text?.parts.push(Buffer.from(piece));
    if (this.#contentBytes === 0) this.#endText();
    return piece.length;
  }

  #fill(chunk: Buffer): number {
    const copied = chunk.copy(this.#block, this.#filled, 0, blockBytes - this.#filled);
    this.#filled += copied;
    if (this.#filled === blockBytes) {
      this.#filled = 0;
      this.#header(this.#block);
    }
    return copied;
  }

  #header(block: Buffer): void {
    if (block.every((byte) => byte === 0)) {
      this.#zeroBlocks += 1;
      return;
    }
    if (this.#zeroBlocks > 0) throw new OddLayer('something follows a block of zeros');
    if (octal(block.subarray(148, 156)) !== checksum(block)) throw new OddLayer('a header has another sum');
    const kind = block.toString('latin1', 156, 157);
    const size = sizeOf(block.subarray(124, 136));
    const textKind = ({ x: 'pax', L: 'name', K: 'link' } as const)[kind];
    if (textKind !== undefined || kind === 'g') {
      if (size > maxTextBytes) throw new OddLayer('a name or an attribute is too long');
      this.#text = textKind === undefined ? undefined : { kind: textKind, size, parts: [] };
      this.#contentBytes = padded(size, blockBytes);
      if (size === 0) this.#endText();
      return;
    }
    this.#entry(block, kind, size);
  }

  #entry(block: Buffer, kind: string, headerSize: number): void {
    const pax = this.#pax;
    // Engines write the holes of a sparse file as zeros, so a few bytes would fill the disk.
    if (kind === 'S' || [...(pax?.keys() ?? [])].some((key) => key.startsWith('GNU.sparse.')))
      throw new OddLayer('a file is sparse');
    if (!/^[\0\x30-\x36]$/.test(kind)) throw new OddLayer('an entry is of an unknown kind');
    const size = paxSize(pax?.get('size')) ?? headerSize;
    const path = this.#longName || pax?.get('path') || pathOf(block);
    const isFile = kind === '0' || kind === '\0';
    // In old archives that is a folder, without content to some programs and with it to others.
    if (kind === '\0' && size > 0 && path.endsWith('/')) throw new OddLayer('a folder has content');
    this.#contentBytes = isFile ? padded(size, blockBytes) : 0;
    const isLongLink = this.#hasLongLink || pax?.has('linkpath') || block[157 + inlineLinkChars] !== 0;
    const hasPage = kind === '5' || path.endsWith('/') || (kind === '2' && isLongLink);
    const hasAttributes = [...(pax?.keys() ?? [])].some((key) => key.startsWith('SCHILY.xattr.'));
    const folders = this.#newFolders(path);
    const pages = folders + (hasPage ? 1 : 0) + (hasAttributes ? 1 : 0);
    this.#onUse({
      bytes: pages * pageBytes + (isFile ? padded(size, pageBytes) : 0),
      files: folders + (kind === '1' ? 0 : 1),
    });
    this.#pax = undefined;
    this.#longName = undefined;
    this.#hasLongLink = false;
  }

  /** Engines make the folders above an entry. Those that the entry before has too are there already. */
  #newFolders(path: string): number {
    const parts = posix.normalize(`/${path}`).split('/').filter(Boolean);
    const folders = parts.slice(0, -1);
    const known = folders.findIndex((part, index) => part !== this.#previous[index]);
    this.#previous = parts;
    return known < 0 ? 0 : folders.length - known;
  }

  #endText(): void {
    const text = this.#text;
    if (text === undefined) return;
    this.#text = undefined;
    const bytes = Buffer.concat(text.parts).subarray(0, text.size);
    if (text.kind === 'pax') this.#pax = paxRecords(bytes);
    else if (text.kind === 'name') this.#longName = untilZero(bytes);
    else this.#hasLongLink = true;
  }
}

function padded(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

function untilZero(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
}

function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (const [index, byte] of block.entries()) if (index < 148 || index >= 156) sum += byte;
  return sum;
}

function octal(field: Buffer): number {
  const digits = /^[ \0]*([0-7]*)[ \0]*$/.exec(field.toString('latin1'))?.[1];
  if (digits === undefined) throw new OddLayer('a number is not octal');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

/** Sizes above 8 GiB are written in bytes instead of digits. */
function sizeOf(field: Buffer): number {
  const size =
    ((field[0] ?? 0) & 0x80) === 0
      ? octal(field)
      : [(field[0] ?? 0) & 0x7f, ...field.subarray(1)].reduce((sum, byte) => sum * 256 + byte, 0);
  if (!Number.isSafeInteger(size)) throw new OddLayer('a size is no number of bytes');
  return size;
}

function paxSize(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^[0-9]{1,15}$/.test(text)) throw new OddLayer('a size is no number of bytes');
  return Number(text);
}

function pathOf(block: Buffer): string {
  const name = untilZero(block.subarray(0, 100));
  const prefix = untilZero(block.subarray(345, 500));
  // Other formats have times there.
  const isUsed = prefix !== '' && (prefix.includes('/') || block.toString('latin1', 257, 263) === 'ustar\0');
  return isUsed ? `${prefix}/${name}` : name;
}

/** https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html: "LENGTH KEY=VALUE\n", the length in bytes of it all. */
function paxRecords(bytes: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(' ', at);
    const digits = bytes.toString('latin1', at, space < 0 ? at : space);
    const end = /^[0-9]{1,7}$/.test(digits) ? at + Number(digits) : at;
    const equals = bytes.indexOf('=', at);
    if (end <= equals || equals < space || end > bytes.length || bytes[end - 1] !== 0x0a)
      throw new OddLayer('an attribute cannot be read');
    records.set(bytes.toString('latin1', space + 1, equals), bytes.toString('latin1', equals + 1, end - 1));
    at = end;
  }
  return records;
}
