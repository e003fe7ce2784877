export type LogStream = 'stdout' | 'stderr';

/** A piece of one message of the container. `timestamp` is that of its message, RFC 3339 with nine digits. */
export interface LogPiece {
  readonly stream: LogStream;
  readonly timestamp: string;
  readonly bytes: Buffer;
}

/** The engine gave up reading its own log, as when it was rotated away under the reader; another try may do. */
export class LogInterrupted extends Error {
  override readonly name = 'LogInterrupted';
}

const headerBytes = 8;
const errorKind = 3;
/** `2026-01-02T03:04:05.000000006Z ` */
const stampBytes = 31;
const stampPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z $/;

/**
 * Takes the engine's multiplexed log apart: an 8-byte header (stream, length) before each message, and a timestamp
 * before its payload. Payload is passed on as it comes; no more than a header and a timestamp is ever held.
 */
export class LogFrames {
  #held: Buffer = Buffer.alloc(0);
  #stream: LogStream = 'stdout';
  #timestamp = '';
  /** Payload bytes of the current message that are still to come; undefined between messages. */
  #payloadLeft: number | undefined;

  take(chunk: Buffer): LogPiece[] {
    const pieces: LogPiece[] = [];
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    for (;;) {
      if (this.#payloadLeft === undefined) {
        const used = this.#readHead(rest);
        if (used === undefined) break;
        rest = rest.subarray(used);
      }
      const left = this.#payloadLeft ?? 0;
      const bytes = rest.subarray(0, left);
      rest = rest.subarray(bytes.length);
      if (bytes.length > 0) pieces.push({ stream: this.#stream, timestamp: this.#timestamp, bytes });
      this.#payloadLeft = bytes.length === left ? undefined : left - bytes.length;
      if (rest.length === 0) break;
    }
    this.#held = rest;
    return pieces;
  }

  /** Bytes of header and timestamp, or undefined when they are not all there. */
  #readHead(buffer: Buffer): number | undefined {
    if (buffer.length < headerBytes) return undefined;
    const kind = buffer.readUInt8(0);
    if (kind === errorKind) throw new LogInterrupted('the engine could not go on reading its log');
    if (kind !== 1 && kind !== 2) throw new Error(`the engine's log has a frame of kind ${kind}`);
    const length = buffer.readUInt32BE(4);
    if (buffer.length < headerBytes + Math.min(length, stampBytes)) return undefined;
    const stamp = buffer.toString('latin1', headerBytes, headerBytes + Math.min(length, stampBytes));
    if (!stampPattern.test(stamp)) throw new Error("the engine's log has a message without a timestamp");
    this.#stream = kind === 1 ? 'stdout' : 'stderr';
    this.#timestamp = stamp.trimEnd();
    this.#payloadLeft = length - stampBytes;
    return headerBytes + stampBytes;
  }
}
