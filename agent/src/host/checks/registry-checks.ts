import { allowsAll, readRegistries } from '../../core/registries.ts';
import { type Check, finding, warning } from './finding.ts';

/** A registry that is away now closes no node: images of others, and those that are here, can be used. */
export const registryCheck: Check = async ({ config, silentRegistries }, signal) => {
  const should = 'the registries of the setting registries answer';
  const allowed = readRegistries(config.registries);
  const open = allowsAll(allowed)
    ? [
        warning(
          'registries',
          'any public registry is allowed',
          'registries that you know',
          'Strangers decide by the name of an image which public hosts this machine talks to (port 443, no private addresses). Leave * out of registries if you do not want that.',
        ),
      ]
    : [];
  const silent = (await silentRegistries(signal)).map(({ registry, why }) =>
    warning(
      'registries',
      `${registry}: ${why}`,
      should,
      'Images from there cannot be fetched. Check the name, the proxy variables and ca_file; write http:// before a registry without TLS.',
    ),
  );
  const found = [...open, ...silent];
  return found.length > 0
    ? found
    : [finding('registries', true, `${config.registries.join(', ')}`, should, '')];
};
