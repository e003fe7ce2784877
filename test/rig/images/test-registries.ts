import { readRegistries } from '@capacloud/agent/core/registries';
import type { RegistryNetwork } from '@capacloud/agent/images/registry/guarded-client';
import type { RegistryClientOptions } from '@capacloud/agent/images/registry/registry-client';
import { createConnections } from '@capacloud/transfer/connections';

/** What an owner with this setting allows; tries come fast after one another. */
export function registriesFor(
  texts: readonly string[],
  network: Partial<RegistryNetwork> = {},
): RegistryClientOptions {
  const direct = createConnections({ env: {}, agent: { keepAlive: false } });
  return { allowed: readRegistries(texts), network: { proxied: direct, direct, ...network }, retryMs: 10 };
}
