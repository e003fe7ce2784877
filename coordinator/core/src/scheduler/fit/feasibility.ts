import type { Device, DeviceRequest, Offer } from '@capacloud/protocol/capacity/resources';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import { readRequestedModel } from '@capacloud/protocol/job/device-classes';
import type { JobTerms } from '../../contract/command.ts';
import type { ReadOnly } from '../../read-only.ts';
import { isMisfit } from '../../slices/job/misfits.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import { isInRegion, meetsAll } from './labels.ts';

/** "12.4" ≥ "8.9": major and minor are numbers of their own. A bare major asks for any minor. */
export function isVersionAtLeast(have: string, want: string): boolean {
  const [haveMajor = 0, haveMinor = 0] = have.split('.').map(Number);
  const [wantMajor = 0, wantMinor = 0] = want.split('.').map(Number);
  return haveMajor > wantMajor || (haveMajor === wantMajor && haveMinor >= wantMinor);
}

/**
 * A request for `a100` takes any `a100-sxm4-80gb`; names are normalised on both sides. A slice or a laptop's chip is another device
 * than the name before it says. A request for a class takes no device with less memory than the class has, give or take an eighth:
 * error correction takes a sixteenth of GDDR memory (an L4 of 24 GiB shows 22.49), drivers keep more, and variants differ by a quarter.
 */
function isModel({ memoryBytes, model }: Device, wanted: string): boolean {
  const { model: name, memoryGib } = readRequestedModel(wanted);
  if (!model.startsWith(name)) return false;
  const variant = model.slice(name.length);
  if (variant !== '' && (!variant.startsWith('-') || otherDevice.test(variant))) return false;
  return memoryGib === undefined || 8 * memoryBytes >= 7 * memoryGib * gib;
}

const gib = 2 ** 30;
// A part for a virtual machine is named by its memory and kind: A100-10C, L40S-12Q.
const otherDevice = /-(mig|laptop|mobile|max-q|notebook|[0-9]{1,3}[abcq])(-|$)/;

/** Drivers keep some for themselves: what is sold as 24 GiB shows 23.99, and as 80 GiB 79.65. */
function leastMemory(wantedBytes: number): number {
  return wantedBytes - wantedBytes / 64;
}

export function matchesDevice(device: Device, request: DeviceRequest): boolean {
  // guard: healthy devices only
  if (device.health !== 'healthy') return false;
  if (request.shareMilli !== undefined && device.shareable !== true) return false;
  if (request.vendor !== undefined && device.vendor !== request.vendor) return false;
  if (request.models !== undefined && !request.models.some((wanted) => isModel(device, wanted))) return false;
  if (request.fabric !== undefined && device.fabric !== undefined) return false;
  if (request.memoryBytes !== undefined && device.memoryBytes < leastMemory(request.memoryBytes))
    return false;
  if (request.computeCapability !== undefined) {
    if (device.computeCapability === undefined) return false;
    if (!isVersionAtLeast(device.computeCapability, request.computeCapability)) return false;
  }
  if (request.cuda === undefined) return true;
  return device.cuda !== undefined && isVersionAtLeast(device.cuda, request.cuda);
}

/**
 * Devices for one task: a share where the least is left beside it, and else the smallest that do, so that large and
 * whole ones stay free for those who need them; undefined when too few match. `usedMilli` gives what is taken of each.
 */
export function chooseDevices(
  offer: Offer,
  request: DeviceRequest,
  usedMilli: (id: string) => number,
  suits: (device: Device, request: DeviceRequest) => boolean = matchesDevice,
): readonly string[] | undefined {
  const milli = deviceMilli(request);
  const best: Choice[] = [];
  for (const device of offer.devices) {
    const used = usedMilli(device.id);
    if (used + milli > 1000 || !suits(device, request)) continue;
    const choice = { device, used };
    let place = best.length;
    while (place > 0 && isBetter(choice, best[place - 1])) place -= 1;
    if (place === request.count) continue;
    best.splice(place, 0, choice);
    if (best.length > request.count) best.pop();
  }
  return best.length < request.count ? undefined : best.map(({ device }) => device.id);
}

interface Choice {
  readonly device: Device;
  readonly used: number;
}

function isBetter(a: Choice, b: Choice | undefined): boolean {
  if (b === undefined) return false;
  if (a.used !== b.used) return a.used > b.used;
  if (a.device.memoryBytes !== b.device.memoryBytes) return a.device.memoryBytes < b.device.memoryBytes;
  return a.device.id < b.device.id;
}

/** Whether chooseDevices would find them. */
export function hasDevices(offer: Offer, request: DeviceRequest, usedMilli: (id: string) => number): boolean {
  const milli = deviceMilli(request);
  let left = request.count;
  for (const device of offer.devices) {
    if (usedMilli(device.id) + milli > 1000 || !matchesDevice(device, request)) continue;
    left -= 1;
    if (left === 0) return true;
  }
  return false;
}

/** Whether the node may run tasks of the job at all: owner's and consumer's wishes, not room or price. */
export function isAllowed(node: ReadOnly<NodeRecord>, terms: JobTerms): boolean {
  // guard: root where the owner allows it
  if (terms.needsRoot && !node.offer.allowRoot) return false;
  // guard: keep jobs from nodes that their image is not made for
  if (terms.misfits !== undefined && isMisfit(node, terms)) return false;
  // guard: tasks that may run long enough
  if (terms.runTimeoutMs < (node.offer.minRunMs ?? 0)) return false;
  if (terms.providers.length > 0 && !terms.providers.includes(node.provider)) return false;
  if (terms.excludeProviders.includes(node.provider)) return false;
  // guard: stay in the regions that are wanted
  // guard: meet the constraints on labels
  return isInRegion(node.offer, terms.regions) && meetsAll(node.offer, terms.constraints);
}
