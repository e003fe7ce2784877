import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireCommand } from '../command.ts';
import { ensureBaseImage } from './base-image.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
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
  const file = join(root, `Dockerfile.${name}`);
  const base = await ensureBaseImage({ docker, cacheDir, log, signal });
  const others = foreignBases(await readFile(file, 'utf8'), base.image);
  if (others.length > 0) throw new Error(`${file} starts from ${others.join(', ')}, not from ${base.image}`);
  const manifest = await readFile(join(root, folders[name], 'package.json'), 'utf8');
  const image = `capacloud/${name}:${(JSON.parse(manifest) as { version: string }).version}`;
  const started = performance.now();
  log(`building ${image} on ${base.image} (${base.builtFrom})`);
  // A machine without an image registry often resolves names in a way that only its own network knows.
  const network = base.builtFrom === 'registry' ? [] : ['--network', 'host'];
  const options = ['--force-rm', ...network, '--tag', image, '--file', file];
  await requireCommand({
    argv: ['docker', '--host', `unix://${docker}`, 'build', ...options, root],
    hint: "the lines above are the build's last words; the npm registry must be reachable from it",
    signal,
  });
  log(`built ${image} in ${Math.round((performance.now() - started) / 1000)} s`);
  return image;
}

/** What a Dockerfile starts from besides `image` and its own stages. */
export function foreignBases(dockerfile: string, image: string): readonly string[] {
  const stages = new Set([image]);
  const foreign: string[] = [];
  for (const [, base = '', stage] of dockerfile.matchAll(/^FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/gim)) {
    if (!stages.has(base)) foreign.push(base);
    if (stage !== undefined) stages.add(stage);
  }
  return foreign;
}
