import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { requireCommand } from '../programs/command.ts';
import { repositoryRoot } from '../repository-root.ts';
import { ensureBaseImage } from './base-image.ts';
import { basesOf, isPinned } from './dockerfile-bases.ts';

const folders = { agent: 'agent', coordinator: 'coordinator/service' } as const;

interface ServiceImageRequest {
  readonly name: keyof typeof folders;
  /** Path of the engine's socket. */
  readonly docker: string;
  readonly cacheDir: string;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Builds the image that compose.yaml names, `capacloud/agent:VERSION` or `capacloud/coordinator:VERSION`, and
 * makes what it starts from where no registry has it. Needs the npm registry unless nothing has changed since
 * the last build. Throws CommandError with the last words of the build.
 */
export async function buildServiceImage(request: ServiceImageRequest): Promise<string> {
  const { name, docker, cacheDir, log, signal } = request;
  const file = join(repositoryRoot, `Dockerfile.${name}`);
  const [pinned, ...others] = basesOf(await readFile(file, 'utf8'));
  if (pinned === undefined || others.length > 0 || !isPinned(pinned))
    throw new Error(`${file} does not start from one image that is pinned by its digest`);
  const base = await ensureBaseImage({ docker, pinned, cacheDir, log, signal });
  const manifest = await readFile(join(repositoryRoot, folders[name], 'package.json'), 'utf8');
  const image = `capacloud/${name}:${(JSON.parse(manifest) as { version: string }).version}`;
  const started = performance.now();
  log(`building ${image} on ${base.image} (${base.builtFrom})`);
  // A machine without an image registry often resolves names in a way that only its own network knows.
  const ownBase =
    base.builtFrom === 'registry' ? [] : ['--network', 'host', '--build-arg', `BASE_IMAGE=${base.image}`];
  const options = ['--force-rm', ...ownBase, '--tag', image, '--file', file];
  await requireCommand({
    argv: ['docker', '--host', `unix://${docker}`, 'build', ...options, repositoryRoot],
    hint: "the lines above are the build's last words; the npm registry must be reachable from it",
    signal,
  });
  log(`built ${image} in ${Math.round((performance.now() - started) / 1000)} s`);
  return image;
}
