import type { Device, Offer } from '@capacloud/protocol/capacity/resources';
import { doubledItem, type ItemKey, wholeItem } from '@capacloud/protocol/input/distinct';
import type { Refusal } from '@capacloud/protocol/result';
import type { Command, JobTerms } from './command.ts';

const byId: readonly ItemKey[] = [['id']];
const byAttempt: readonly ItemKey[] = [['task', 'attempt']];
const byItself: readonly ItemKey[] = [wholeItem];
const nothing: readonly unknown[] = [];

/**
 * Why a command is refused that names something twice in a list. The schemas of frames and requests refuse it before, but
 * the books do not depend on them: a device that an offer has twice would be given away twice.
 */
export function doubledIn(command: Command): Refusal | undefined {
  const { type } = command;
  if (type === 'attempt.finish') return doubled('architectures of the image', command.imageRunsOn, byItself);
  if (type === 'job.submit') return doubledInTerms(command.terms);
  if (type === 'node.change_offer') return doubled('devices of the offer', command.offer.devices, byId);
  if (type !== 'node.connect') return undefined;
  return (
    doubled('devices of the offer', command.offer.devices, byId) ??
    doubled('held attempts', command.held, byAttempt)
  );
}

/** An offer of a log that is older than this rule: a device that is there twice counts once. */
export function withoutDoubles(offer: Offer): Offer {
  const { devices } = offer;
  if (devices.length < 2 || doubledItem(devices, byId) === undefined) return offer;
  const first = new Map(devices.map((device) => [device.id, device]).reverse() as [string, Device][]);
  return { ...offer, devices: devices.filter((device) => first.get(device.id) === device) };
}

function doubledInTerms(terms: JobTerms): Refusal | undefined {
  const { alternatives, devices } = terms.resources;
  return (
    doubled('providers', terms.providers, byItself) ??
    doubled('excluded providers', terms.excludeProviders, byItself) ??
    doubled('regions', terms.regions, byItself) ??
    doubled('constraints', terms.constraints, byItself) ??
    firstOf(terms.constraints, ({ values }) => doubled('values of a constraint', values, byItself)) ??
    doubled('models', devices?.models, byItself) ??
    doubled('alternatives', alternatives, byItself) ??
    firstOf(alternatives, ({ models }) => doubled('models', models, byItself)) ??
    doubled('exit codes', terms.retryExitCodes, byItself) ??
    doubled('kinds of errors', terms.retryOn, byItself)
  );
}

function firstOf<T>(
  items: readonly T[] | undefined,
  look: (item: T) => Refusal | undefined,
): Refusal | undefined {
  for (const item of items ?? []) {
    const found = look(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function doubled(
  what: string,
  list: readonly unknown[] = nothing,
  keys: readonly ItemKey[],
): Refusal | undefined {
  if (list.length < 2) return undefined;
  const name = doubledItem(list, keys);
  if (name === undefined) return undefined;
  const told = name.slice(0, 200);
  return {
    code: 'request.invalid',
    message: `The ${what} name ${told} twice.`,
    hint: `Name ${told} once.`,
  };
}
