// Builds our container images, also where no image registry can be reached.
//
//   npm run images -- [agent] [coordinator] [render]
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureRenderImage } from '@capacloud/rig/images/render-image';
import { buildServiceImage } from '@capacloud/rig/images/service-image';

const cacheDir = join(dirname(dirname(fileURLToPath(import.meta.url))), '.cache', 'images');
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

async function main(): Promise<void> {
  const docker = process.env.CAPACLOUD_DOCKER_SOCKET ?? '/var/run/docker.sock';
  for (const name of chosen(process.argv.slice(2))) {
    if (name === 'render') await ensureRenderImage({ docker, cacheDir, log, signal });
    else await buildServiceImage({ name, docker, cacheDir, log, signal });
  }
}

try {
  await main();
} catch (error) {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
