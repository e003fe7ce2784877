import type { WorkerOptions } from 'node:worker_threads';

/**
 * Where a worker thread begins, given as the URL of the module beside it (`import.meta.url`) and its name without extension. From
 * the sources Node strips the types itself and resolves the workspace to sources too, so that a stale build
 * can never run beside fresh code.
 */
export function threadEntry(
  beside: string,
  name: string,
): { readonly url: URL; readonly options: WorkerOptions } {
  const fromSource = beside.endsWith('.ts');
  return {
    url: new URL(`./${name}.${fromSource ? 'ts' : 'js'}`, beside),
    options: { execArgv: fromSource ? ['--conditions=@capacloud/source'] : [] },
  };
}
