import type { DeviceRequest } from '@capacloud/protocol/capacity/resources';
import type { DeviceKind } from './device-supply.ts';
import { matchesDevice } from './feasibility.ts';

/** Which kinds of devices suit a request, each looked at once. */
export class KindFilter {
  readonly #request: DeviceRequest;
  /** By slot, where another kind may be later. */
  readonly #kinds: (DeviceKind | undefined)[] = [];
  readonly #suits: boolean[] = [];

  constructor(request: DeviceRequest) {
    this.#request = request;
  }

  suits(kind: DeviceKind): boolean {
    const { slot } = kind;
    if (this.#kinds[slot] !== kind) {
      this.#kinds[slot] = kind;
      this.#suits[slot] = matchesDevice(kind.device, this.#request);
    }
    return this.#suits[slot] === true;
  }
}
