import { runCommand } from '@capacloud/rig/programs/command';
import { repositoryRoot } from '@capacloud/rig/repository-root';

/** Compiles what the demo, the benchmarks and the real tests start as processes; quick when nothing changed. */
export async function buildPackages(signal: AbortSignal): Promise<void> {
  const result = await runCommand(
    'tsc',
    ['-b', 'coordinator/service', 'agent', 'shared/client'],
    { cwd: repositoryRoot, output: 'capture' },
    signal,
  );
  if (result.exitCode !== 0) throw new Error(`the packages do not compile:\n${result.output}`);
}
