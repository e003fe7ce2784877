import { decodeBase64, encodeBase64 } from './bytes.ts';
import { isTreeSize, merkleHashBytes } from './merkle.ts';
import {
  isKeyName,
  type NoteFault,
  type NoteKey,
  type NoteSigner,
  openNote,
  signNote,
  type VerifySignature,
} from './signed-note.ts';

/** The head of a log at one size. Source: c2sp.org/tlog-checkpoint. */
export interface Checkpoint {
  /** Names the log; a schema-less URL without spaces or plus. */
  readonly origin: string;
  /** Leaves. */
  readonly size: number;
  /** RFC 6962 root of the first `size` leaves, 32 bytes. */
  readonly root: Uint8Array;
  /** Opaque non-empty lines, which no log monitor can check. We write none. */
  readonly extensions?: readonly string[];
}

/** `wrong_log`: a trusted key signed it, for another origin. */
export type CheckpointFault = NoteFault | 'wrong_log';

export type OpenedCheckpoint =
  | { readonly ok: true; readonly checkpoint: Checkpoint; readonly signedBy: readonly NoteKey[] }
  | { readonly ok: false; readonly fault: CheckpointFault };

const sizePattern = /^(?:0|[1-9][0-9]{0,15})$/;

/** The text that is signed: origin, size and root in base64, a line each. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const { origin, size, root, extensions = [] } = checkpoint;
  if (!isKeyName(origin)) throw new RangeError('an origin is a name without spaces or plus');
  if (!isTreeSize(size) || root.length !== merkleHashBytes)
    throw new RangeError('a checkpoint has a whole size and a root of 32 bytes');
  if (extensions.some((line) => line === '' || line.includes('\n')))
    throw new RangeError('an extension is one line that is not empty');
  return [origin, `${size}`, encodeBase64(root), ...extensions, ''].join('\n');
}

/**
 * Reads the text of a checkpoint; undefined when malformed or past 2^53-1 leaves. The origin may be any line,
 * as the specification asks of readers.
 */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  if (!text.endsWith('\n')) return undefined;
  const [origin = '', sizeText = '', rootText = '', ...extensions] = text.slice(0, -1).split('\n');
  const size = sizePattern.test(sizeText) ? Number(sizeText) : Number.NaN;
  const root = decodeBase64(rootText);
  if (origin === '' || !isTreeSize(size) || root?.length !== merkleHashBytes) return undefined;
  if (extensions.includes('')) return undefined;
  return extensions.length === 0 ? { origin, size, root } : { origin, size, root, extensions };
}

/** The signed note that is served at `<prefix>/checkpoint`. */
export function signCheckpoint(checkpoint: Checkpoint, signers: readonly NoteSigner[]): string {
  return signNote(formatCheckpoint(checkpoint), signers);
}

/** Reads a signed checkpoint of the log named `origin`, and checks it against the keys trusted for that log. */
export function openCheckpoint(
  note: string,
  origin: string,
  trusted: readonly NoteKey[],
  verify: VerifySignature,
): OpenedCheckpoint {
  const opened = openNote(note, trusted, verify);
  if (!opened.ok) return opened;
  const checkpoint = parseCheckpoint(opened.text);
  if (checkpoint === undefined) return { ok: false, fault: 'malformed' };
  if (checkpoint.origin !== origin) return { ok: false, fault: 'wrong_log' };
  return { ok: true, checkpoint, signedBy: opened.signedBy };
}
