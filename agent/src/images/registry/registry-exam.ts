import { type RegistryOrigin, registryOrigin } from '../../core/registries.ts';
import { GuardedClient } from './guarded-client.ts';
import type { RegistryClientOptions } from './registry-client.ts';

/** Registries that are asked; the first one that everybody uses is among them. */
const maxAsked = 8;

/** What of the registries that the owner allows gives no answer, and why. Any answer is one, also a refusal. */
export async function silentRegistries(
  { allowed, network }: RegistryClientOptions,
  signal: AbortSignal,
): Promise<readonly { readonly registry: string; readonly why: string }[]> {
  const client = new GuardedClient(network);
  const named = allowed.filter(({ host, isNamed }) => isNamed || host === 'docker.io');
  const asked = named.slice(0, maxAsked).map(async ({ host, port }) => {
    const registry = port === '' ? host : `${host}:${port}`;
    const origin = registryOrigin(allowed, { registry });
    const why = origin === undefined ? undefined : await whySilent(client, origin, signal);
    return why === undefined ? [] : [{ registry, why }];
  });
  return (await Promise.all(asked)).flat();
}

async function whySilent(
  client: GuardedClient,
  origin: RegistryOrigin,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { host, port, protocol } = origin;
  try {
    const url = new URL(`${protocol}//${host}${port === '' ? '' : `:${port}`}/v2/`);
    (await client.get(origin, url, {}, signal)).destroy();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
