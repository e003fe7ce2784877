import { type Place, Places } from '../places.ts';

/** A socket that has not proven who it is. Its place is idle until its first frame is here. */
export interface Handshake extends Place {
  /** Its place is wanted for another, and it is out of the table. */
  onEvicted(): void;
}

export interface HandshakeBounds {
  readonly unauthenticated: number;
  readonly unauthenticatedPerAddress: number;
  /** Of those in all, places that strangers cannot take from known addresses. */
  readonly unauthenticatedKnown: number;
  /** Bytes that came in parts of first frames, of all silent handshakes together. */
  readonly handshakeBytes: number;
}

/** The sockets in their handshake: so many in all and of one address, and so many bytes of frames that are not complete. */
export class HandshakeTable {
  readonly #bounds: HandshakeBounds;
  readonly #places: Places<Handshake>;
  readonly #silent = new Set<Handshake>();
  /** Bytes of silent ones of which a part of a frame came, the oldest first. */
  readonly #partial = new Map<Handshake, number>();
  /** Strangers whose first frame is being checked. */
  readonly #strangers = new Set<Handshake>();
  #bytes = 0;

  constructor(bounds: HandshakeBounds) {
    this.#bounds = bounds;
    this.#places = new Places(
      {
        total: bounds.unauthenticated,
        perAddress: bounds.unauthenticatedPerAddress,
        known: bounds.unauthenticatedKnown,
      },
      (handshake) => this.#evict(handshake),
    );
  }

  get total(): number {
    return this.#places.total;
  }

  /** False: every handshake that could make room is being checked, so the newcomer has to come again. */
  enter(handshake: Handshake): boolean {
    if (!this.#places.enter(handshake)) return false;
    this.#silent.add(handshake);
    return true;
  }

  /** So many bytes of its first frame have come, and not the whole of it. */
  receive(handshake: Handshake, bytes: number): void {
    if (!this.#silent.has(handshake)) return;
    this.#partial.set(handshake, (this.#partial.get(handshake) ?? 0) + bytes);
    this.#bytes += bytes;
    for (const oldest of this.#partial.keys()) {
      if (this.#bytes <= this.#bounds.handshakeBytes) return;
      this.#evict(oldest);
    }
  }

  /** Its first frame is here: nobody takes its place any more. False: so many strangers are being checked that it has to go. */
  hear(handshake: Handshake): boolean {
    this.#endSilence(handshake);
    this.#places.hold(handshake);
    if (handshake.isKnown) return true;
    const { unauthenticated, unauthenticatedKnown } = this.#bounds;
    if (this.#strangers.size >= unauthenticated - unauthenticatedKnown) return false;
    this.#strangers.add(handshake);
    return true;
  }

  /** It has ended, one way or the other. May be called more than once. */
  leave(handshake: Handshake): void {
    this.#endSilence(handshake);
    this.#strangers.delete(handshake);
    this.#places.leave(handshake);
  }

  #evict(handshake: Handshake): void {
    this.leave(handshake);
    handshake.onEvicted();
  }

  #endSilence(handshake: Handshake): void {
    this.#silent.delete(handshake);
    this.#bytes -= this.#partial.get(handshake) ?? 0;
    this.#partial.delete(handshake);
  }
}
