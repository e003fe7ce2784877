import { lacking, needOf, offeredBy } from '@capacloud/protocol/capacity/capacity';
import { rowOf } from '@capacloud/protocol/capacity/dimensions';
import type { Device, DeviceRequest } from '@capacloud/protocol/capacity/resources';
import type { Obstacle } from '@capacloud/protocol/catalogue/obstacles';
import type { JobTerms } from '../contract/command.ts';
import type { ReadOnly } from '../read-only.ts';
import { hasDevices, matchesDevice } from '../scheduler/fit/feasibility.ts';
import { isInRegion, meetsAll } from '../scheduler/fit/labels.ts';
import type { Keepings } from '../scheduler/keepings.ts';
import type { Task } from '../slices/attempt/record.ts';
import { isOfOtherKind, isRefused, isTooSmall } from '../slices/job/misfits.ts';
import { rateOn } from '../slices/node/asks.ts';
import { isConnected } from '../slices/node/node-states.ts';
import type { NodeRecord } from '../slices/node/record.ts';

/** The node runs other tasks, or its pause ends: this passes by itself. */
export function isPassing(obstacle: Obstacle): boolean {
  return obstacle.startsWith('busy_') || obstacle === 'node_backing_off' || obstacle === 'node_kept';
}

/** Nothing else of what was found is in the way, but what passes; of what passes: nothing else at all. */
export function isAlone(obstacle: Obstacle, found: readonly Obstacle[]): boolean {
  return found.every((other) => other === obstacle || (isPassing(other) && !isPassing(obstacle)));
}

export function lastingOf(found: readonly Obstacle[]): readonly Obstacle[] {
  return found.filter((obstacle) => !isPassing(obstacle));
}

/** Of what stands in the way of each alternative, what is least for long, and then least. */
export function fewest(lists: readonly (readonly Obstacle[])[]): readonly Obstacle[] {
  const weight = (found: readonly Obstacle[]): number => lastingOf(found).length * 100 + found.length;
  return lists.reduce((best, found) => (weight(found) < weight(best) ? found : best));
}

/**
 * Everything that keeps the task from the node now, not the first thing alone; nothing where it could be placed. Looks at
 * the first alternative of the terms alone: see optionsOf.
 */
export function obstaclesOf(
  node: ReadOnly<NodeRecord>,
  terms: JobTerms,
  keepings: Keepings,
  task?: ReadOnly<Task>,
): readonly Obstacle[] {
  const found: Obstacle[] = [];
  const add = (obstacle: Obstacle | undefined, stands = true): void => {
    if (stands && obstacle !== undefined) found.push(obstacle);
  };
  const { offer } = node;
  const { resources, providers, excludeProviders } = terms;
  add('node_silent', !isConnected(node.status));
  add('node_closed', isConnected(node.status) && (node.status !== 'ready' || !node.accepting));
  add('node_isolated', node.isIsolated);
  add('node_backing_off', node.isResting);
  add('node_kept', keepings.keepsFrom(node, task?.job, terms));
  const isWanted = providers.length === 0 || providers.includes(node.provider);
  add('provider', !isWanted || excludeProviders.includes(node.provider));
  add('region', !isInRegion(offer, terms.regions));
  add('label', !meetsAll(offer, terms.constraints));
  add('platform', isOfOtherKind(node, terms));
  add('registry', isRefused(node, terms));
  add('image_size', isTooSmall(node, terms));
  add('root', terms.needsRoot && !offer.allowRoot);
  add('min_duration', terms.runTimeoutMs < (offer.minRunMs ?? 0));
  const need = needOf(resources);
  const short = lacking(offeredBy(offer), need);
  for (const dimension of short) add(rowOf(dimension).shortage?.code);
  if (resources.devices !== undefined) found.push(...deviceObstacles(node, resources.devices));
  add('price', rateOn(node, terms) > terms.maxRateNano);
  // One that failed there may still go there again, where there is no other; one that still runs there may not.
  add('tried', task !== undefined && node.occupied.has(task.id));
  for (const dimension of lacking(node.free, need))
    if (!short.includes(dimension)) add(rowOf(dimension).contention.code);
  return found;
}

/** Wishes of a request that single devices meet or do not. */
const wishes = [
  ['gpu_vendor', 'vendor'],
  ['gpu_model', 'models'],
  ['gpu_memory', 'memoryBytes'],
  ['gpu_compute_capability', 'computeCapability'],
  ['gpu_cuda', 'cuda'],
  ['gpu_share', 'shareMilli'],
  ['gpu_fabric', 'fabric'],
] as const satisfies readonly (readonly [Obstacle, keyof DeviceRequest])[];

function deviceObstacles(
  { deviceUse, offer }: ReadOnly<NodeRecord>,
  request: DeviceRequest,
): readonly Obstacle[] {
  const { count } = request;
  if (hasDevices(offer, request, () => 0)) {
    const isFree = hasDevices(offer, request, (id) => deviceUse.get(id) ?? 0);
    return isFree ? [] : ['busy_gpu'];
  }
  const enough = (matches: (device: Device) => boolean): boolean =>
    offer.devices.filter(matches).length >= count;
  if (!enough((device) => matchesDevice(device, { count }))) return ['gpu_count'];
  const unmet = wishes.filter(
    ([, wish]) =>
      request[wish] !== undefined &&
      !enough((device) => matchesDevice(device, { count, [wish]: request[wish] })),
  );
  // Each wish is met by enough devices, and all together are not.
  return unmet.length === 0 ? ['gpu_combination'] : unmet.map(([obstacle]) => obstacle);
}

/** The request without the wish that the obstacle is about. */
export function withoutWish(request: DeviceRequest, obstacle: Obstacle): DeviceRequest {
  const wish = wishes.find(([each]) => each === obstacle)?.[1];
  if (wish === undefined) return request;
  const { [wish]: _dropped, ...rest } = request;
  return rest;
}
