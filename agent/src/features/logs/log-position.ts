/**
 * How far a log has been handed over, so that a reader can go on after a restart of agent or engine without a byte
 * twice. The engine can be asked for messages from a time on, no finer; and the messages of the two streams may lie
 * slightly out of order. So the place is an anchor, the time of a message that was the newest when it came, and the
 * number of payload bytes handed over of messages not older than it. The anchor stays behind the newest message by
 * at least `anchorLagNs`, which leaves room for stragglers.
 */
export interface LogPosition {
  /** RFC 3339 with nine digits; empty before the first message. */
  readonly anchor: string;
  readonly bytesSinceAnchor: number;
  readonly totalBytes: number;
  /** Time of the newest message handed over; empty before the first. */
  readonly newest: string;
}

export const logStart: LogPosition = { anchor: '', bytesSinceAnchor: 0, totalBytes: 0, newest: '' };

const anchorLagNs = 1_000_000_000n;
const time = '(|\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{9}Z)';
const positionPattern = new RegExp(`^${time}/(\\d{1,16})/(\\d{1,16})/${time}$`);

/** Text form for the journal. */
export function formatLogPosition(position: LogPosition): string {
  return `${position.anchor}/${position.bytesSinceAnchor}/${position.totalBytes}/${position.newest}`;
}

/** Undefined when it is no position. */
export function parseLogPosition(text: string): LogPosition | undefined {
  const match = positionPattern.exec(text);
  if (match === null || ![match[1], match[4]].every(isTime)) return undefined;
  return {
    anchor: match[1] ?? '',
    bytesSinceAnchor: Number(match[2]),
    totalBytes: Number(match[3]),
    newest: match[4] ?? '',
  };
}

/** Of the right form it is; but a month has no 41 days. */
function isTime(text = ''): boolean {
  return text === '' || !Number.isNaN(Date.parse(`${text.slice(0, 19)}Z`));
}

/** Nanoseconds since 1970 of an RFC 3339 time with nine digits. An engine's time that there is not counts as the first. */
function timeNs(timestamp: string): bigint {
  if (!isTime(timestamp)) return 0n;
  const seconds = BigInt(Date.parse(`${timestamp.slice(0, 19)}Z`)) / 1000n;
  return seconds * 1_000_000_000n + BigInt(timestamp.slice(20, 29));
}

/** The `since` of the engine's log call: seconds with nine decimals, inclusive. */
export function sinceOf(position: LogPosition): string {
  if (position.anchor === '') return '0';
  const ns = timeNs(position.anchor);
  return `${ns / 1_000_000_000n}.${(ns % 1_000_000_000n).toString().padStart(9, '0')}`;
}

/** Reads a log from a position on: says how much of each piece is new, and keeps the position up to date. */
export class LogCursor {
  #anchor: string;
  #bytesSinceAnchor: number;
  #totalBytes: number;
  /** A later anchor, taken as soon as the newest message is far enough ahead of it. */
  #candidate: { anchor: string; bytes: number } | undefined;
  #newest = '';
  /** Time of the newest message ever handed over. */
  #deliveredUntil: string;
  /** Set while messages that cannot be counted any more are passed over by their time. */
  #skipUntil = '';
  #toSkip = 0;
  #first = true;

  /** `deliveredBytes`: payload that was kept in all; more than the position's total when it was noted earlier. */
  constructor(from: LogPosition, deliveredBytes: number) {
    this.#anchor = from.anchor;
    this.#bytesSinceAnchor = from.bytesSinceAnchor;
    this.#totalBytes = from.totalBytes;
    this.#deliveredUntil = from.newest;
    this.rewind(deliveredBytes);
  }

  /** The next piece will come from the start of `sinceOf(position)` again. */
  rewind(deliveredBytes: number = this.#totalBytes): void {
    this.#toSkip = this.#bytesSinceAnchor + Math.max(0, deliveredBytes - this.#totalBytes);
    this.#totalBytes -= this.#bytesSinceAnchor;
    this.#bytesSinceAnchor = 0;
    this.#candidate = undefined;
    this.#newest = '';
    this.#skipUntil = '';
    this.#first = true;
  }

  /** The new part of a piece; empty when it was handed over before. */
  take(timestamp: string, bytes: Buffer): Buffer {
    if (this.#first) {
      this.#first = false;
      // The anchor's own message comes first; when it does not, the engine has rotated it away and all that was
      // handed over before it; what is left of the rest is told by its time.
      if (this.#anchor !== '' && timestamp !== this.#anchor) {
        this.#totalBytes += this.#toSkip;
        this.#toSkip = 0;
        this.#skipUntil = this.#deliveredUntil;
        if (timestamp > this.#skipUntil) this.#anchor = timestamp;
      }
    }
    if (this.#skipUntil !== '') {
      if (timestamp <= this.#skipUntil) return bytes.subarray(bytes.length);
      this.#skipUntil = '';
      this.#anchor = timestamp;
    }
    this.#advance(timestamp, bytes.length);
    const skipped = Math.min(this.#toSkip, bytes.length);
    this.#toSkip -= skipped;
    return bytes.subarray(skipped);
  }

  position(): LogPosition {
    return {
      anchor: this.#anchor,
      bytesSinceAnchor: this.#bytesSinceAnchor,
      totalBytes: this.#totalBytes,
      newest: this.#deliveredUntil,
    };
  }

  #advance(timestamp: string, length: number): void {
    this.#totalBytes += length;
    if (timestamp > this.#deliveredUntil) this.#deliveredUntil = timestamp;
    if (timestamp >= this.#anchor) this.#bytesSinceAnchor += length;
    const candidate = this.#candidate;
    if (candidate !== undefined && timestamp >= candidate.anchor) candidate.bytes += length;
    if (timestamp <= this.#newest) return;
    this.#newest = timestamp;
    if (candidate === undefined) {
      this.#candidate = { anchor: timestamp, bytes: length };
    } else if (timeNs(timestamp) - timeNs(candidate.anchor) >= anchorLagNs && this.#toSkip === 0) {
      this.#anchor = candidate.anchor;
      this.#bytesSinceAnchor = candidate.bytes;
      this.#candidate = { anchor: timestamp, bytes: length };
    }
  }
}
