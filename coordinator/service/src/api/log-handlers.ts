import { accept } from '@capacloud/protocol/result';
import type { ApiDependencies } from './dependencies.ts';
import type { Handlers } from './handler.ts';
import { pageBytes, withinPage } from './pages.ts';

export function logHandlers(
  deps: ApiDependencies,
): Handlers<
  'getCheckpoint' | 'listLogEntries' | 'getInclusionProof' | 'getConsistencyProof' | 'getStateHash'
> {
  const { digest, transparency } = deps;
  return {
    getCheckpoint: async () =>
      accept({
        status: 200,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: await transparency.checkpoint(),
      }),
    listLogEntries: async ({ query }) => {
      const from = query.from ?? 0;
      const { entries, size } = await transparency.entries(from, query.limit ?? 256, pageBytes);
      return accept({ from, entries: withinPage(entries), size });
    },
    getInclusionProof: async ({ query }) => {
      const proof = await transparency.inclusion(query.index, query.size);
      return proof.ok ? accept({ ...proof.value, path: [...proof.value.path] }) : proof;
    },
    getConsistencyProof: async ({ query }) => {
      const proof = await transparency.consistency(query.from, query.to);
      return proof.ok ? accept({ ...proof.value, path: [...proof.value.path] }) : proof;
    },
    getStateHash: async () => accept(await digest()),
  };
}
