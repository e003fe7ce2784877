// Builds our container images, also where no image registry can be reached.
//
//   node scripts/with-toolchain.mjs images [agent] [coordinator] [render]
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBaseImage } from './images/base-image.ts';
import { runCommand } from './images/command.ts';
import { ensureRenderImage } from './images/render-image.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cacheDir = join(root, '.cache', 'images');
const known = ['agent', 'coordinator', 'render'] as const;
type Name = (typeof known)[number];

const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interruption.abort());
const { signal } = interruption;
const log = (line: string): void => void process.stderr.write(`images: ${line}\n`);

function chosen(args: readonly string[]): readonly Name[] {
  const names = known.filter((name) => args.includes(name));
  const unknown = args.find((arg) => !known.some((name) => name === arg));
  if (unknown !== undefined)
    throw new Error(
      `there is no image ${unknown}\n  hint: one or more of ${known.join(', ')}; none means all`,
    );
  return names.length === 0 ? known : names;
}

async function buildService(name: 'agent' | 'coordinator', docker: string): Promise<void> {
  const base = await ensureBaseImage({ docker, cacheDir, log, signal });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const started = Date.now();
  log(`building capacloud/${name}:${version} on ${base.image} (${base.builtFrom})`);
  // A machine without an image registry often resolves names in a way that only its own network knows.
  const network = base.builtFrom === 'registry' ? [] : ['--network', 'host'];
  const tags = ['--tag', `capacloud/${name}:${version}`, '--tag', `capacloud/${name}:latest`];
  await runCommand({
    argv: [
      'docker',
      '--host',
      `unix://${docker}`,
      'build',
      '--force-rm',
      ...network,
      ...tags,
      '--file',
      join(root, `Dockerfile.${name}`),
      root,
    ],
    hint: "the lines above are the build's last words; the npm registry must be reachable from it",
    signal,
  });
  log(`built capacloud/${name}:${version} in ${Math.round((Date.now() - started) / 1000)} s`);
}

async function main(): Promise<void> {
  const docker = process.env.CAPACLOUD_DOCKER_SOCKET ?? '/var/run/docker.sock';
  for (const name of chosen(process.argv.slice(2))) {
    if (name === 'render') await ensureRenderImage({ docker, cacheDir, log, signal });
    else await buildService(name, docker);
  }
}

try {
  await main();
} catch (error) {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
