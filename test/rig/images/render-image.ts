import { createHash, randomUUID } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';
import { runMark } from '../leftovers/run-mark.ts';
import { downloadDebianPackages } from './debian-packages.ts';
import { basesOf } from './dockerfile-bases.ts';
import { connectEngine, findImage, followProgress, loadRootfs, recipeLabel, registryHas } from './engine.ts';
import { type RootfsEntry, readBeside, writeRootfsTar } from './rootfs-tar.ts';

export const renderImageName = 'capacloud/render:1';

const registryTimeoutMs = 60_000;
const smokeTimeoutMs = 60_000;
const packages = ['busybox-static', 'netpbm', 'povray', 'povray-includes'];
/** Raised when this module changes what the image holds. */
const revision = '2';

interface RenderImageRequest {
  /** A connected client, or the path of the engine's socket. */
  readonly docker: Docker | string;
  /** An ignored folder; it keeps the root file system, so that a second engine is served without a network. */
  readonly cacheDir: string;
  /** Receives one line a step, for a person. */
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

interface RenderImage {
  readonly image: string;
  /** The image's id, `sha256:…`. */
  readonly digest: string;
  readonly builtFrom: 'cache' | 'registry' | 'debian';
}

/**
 * Makes sure that the engine has the demo's workload image, which renders one tile with POV-Ray. It is
 * built from `render.Dockerfile` where the engine can reach a registry, and otherwise put together on
 * this machine from the same Debian packages. Throws with a hint where neither is possible.
 */
export async function ensureRenderImage(request: RenderImageRequest): Promise<RenderImage> {
  const { cacheDir, log, signal } = request;
  const docker = connectEngine(request.docker);
  const [dockerfile, script, config] = await Promise.all([
    readBeside('render.Dockerfile'),
    readBeside('render-tile'),
    readBeside('render-povray.conf'),
  ]);
  const recipe = createHash('sha256')
    .update(JSON.stringify([revision, packages, dockerfile, script, config]))
    .digest('hex');
  const present = await findImage(docker, renderImageName, recipe);
  if (present !== undefined) return { image: renderImageName, digest: present, builtFrom: 'cache' };

  const candidate = `capacloud/render:candidate-${randomUUID().slice(0, 8)}`;
  try {
    const rootfs = join(cacheDir, `render-${recipe.slice(0, 16)}.tar`);
    const built =
      !(await exists(rootfs)) &&
      (await buildFromRegistry(docker, { candidate, dockerfile, script, config, recipe, log, signal }));
    if (!built)
      await buildFromDebian(docker, { candidate, rootfs, script, config, recipe, cacheDir, log, signal });
    await renderOnce(docker, candidate, signal);
    const digest = (await docker.getImage(candidate).inspect()).Id;
    await docker.getImage(candidate).tag({ repo: 'capacloud/render', tag: '1' });
    log(`${renderImageName} is ready (${digest.slice(7, 19)})`);
    return { image: renderImageName, digest, builtFrom: built ? 'registry' : 'debian' };
  } finally {
    // Takes the candidate's name away; the image stays under its real name where it passed.
    await docker
      .getImage(candidate)
      .remove({ force: true })
      .catch(() => undefined);
  }
}

interface Recipe {
  readonly candidate: string;
  readonly script: string;
  readonly config: string;
  readonly recipe: string;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/** False where no registry answers or the build fails, for example because containers reach no mirror. */
async function buildFromRegistry(docker: Docker, request: Recipe & { dockerfile: string }): Promise<boolean> {
  const { candidate, dockerfile, script, config, recipe, log, signal } = request;
  const base = basesOf(dockerfile)[0] ?? '';
  if (!(await registryHas(docker, base, { timeoutMs: registryTimeoutMs, signal }))) {
    log('no image registry answers: making the render image from Debian packages');
    return false;
  }
  log(`building ${renderImageName} on ${base}`);
  const context = pack();
  context.entry({ name: 'Dockerfile' }, dockerfile);
  context.entry({ name: 'render-povray.conf', mode: 0o644 }, config);
  context.entry({ name: 'render-tile', mode: 0o755 }, script);
  context.finalize();
  try {
    const options = {
      t: candidate,
      labels: { [recipeLabel]: recipe },
      rm: true,
      forcerm: true,
      abortSignal: signal,
    };
    await followProgress(docker, await docker.buildImage(Readable.from(context), options), signal);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    log(
      `that build failed (${error instanceof Error ? error.message : String(error)}): using Debian packages instead`,
    );
    return false;
  }
}

async function buildFromDebian(
  docker: Docker,
  request: Recipe & { rootfs: string; cacheDir: string },
): Promise<void> {
  const { candidate, rootfs, script, config, recipe, cacheDir, log, signal } = request;
  await mkdir(cacheDir, { recursive: true });
  if (await exists(rootfs)) log(`using the root file system kept in ${basename(cacheDir)}`);
  else await makeRootfs({ rootfs, script, config, cacheDir, log, signal });
  log('loading the root file system into the Docker engine');
  const settings = {
    User: '65532:65532',
    WorkingDir: '/tmp',
    Env: ['PATH=/usr/local/bin:/usr/bin:/bin'],
    Cmd: ['/usr/local/bin/render-tile'],
    Labels: { [recipeLabel]: recipe },
  };
  await loadRootfs(docker, { image: candidate, file: rootfs, settings, signal });
}

async function makeRootfs(
  request: Pick<Recipe, 'script' | 'config' | 'log' | 'signal'> & { rootfs: string; cacheDir: string },
): Promise<void> {
  const { rootfs, script, config, cacheDir, log, signal } = request;
  // A folder of its own: a demo and a test may both be at it.
  const work = await mkdtemp(join(cacheDir, 'work-'));
  try {
    log('downloading POV-Ray and what it needs from the Debian mirror (about 25 MB)');
    const debs = await downloadDebianPackages({ packages, cacheDir: work, log, signal });
    log(`putting ${debs.length} packages together`);
    const file = join(work, 'rootfs.tar');
    const entries = ownEntries(script, config);
    await writeRootfsTar({ debs: debs.filter(isNeeded), exclude: unneededPaths, entries, file, signal });
    await rename(file, rootfs);
    const stale = (await readdir(cacheDir)).filter(
      (name) => /^render-[0-9a-f]{16}\.tar$/.test(name) && name !== basename(rootfs),
    );
    for (const name of stale) await rm(join(cacheDir, name), { force: true });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Only netpbm's SVG reader uses these two, and they would double the image. */
function isNeeded(deb: string): boolean {
  return !/^(libicu\d+|libxml2)_/.test(basename(deb));
}

const unneededPaths = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/lintian',
  'usr/share/locale',
  'usr/share/gdb',
];

function ownEntries(script: string, config: string): RootfsEntry[] {
  // Applets that the script calls by name; the shell itself is called as busybox.
  const applets = [
    'sh',
    'cat',
    'date',
    'echo',
    'id',
    'kill',
    'ls',
    'mkfifo',
    'mktemp',
    'mv',
    'rm',
    'sleep',
    'tail',
    'tr',
    'true',
    'false',
  ];
  return [
    ...['dev', 'proc', 'sys', 'in', 'run'].map((path): RootfsEntry => ({ type: 'directory', path })),
    { type: 'directory', path: 'tmp', mode: 0o1777 },
    { type: 'directory', path: 'out', uid: 65532 },
    ...applets.map(
      (applet): RootfsEntry => ({ type: 'symlink', path: `usr/bin/${applet}`, target: 'busybox' }),
    ),
    { type: 'file', path: 'etc/povray/3.7/povray.conf', content: config },
    {
      type: 'file',
      path: 'etc/passwd',
      content: 'root:x:0:0:root:/:/bin/sh\nrender:x:65532:65532:render:/tmp:/bin/sh\n',
    },
    { type: 'file', path: 'etc/group', content: 'root:x:0:\nrender:x:65532:\n' },
    { type: 'file', path: 'usr/local/bin/render-tile', mode: 0o755, content: script },
  ];
}

const smokeScene =
  'camera{location <0,0,-3> look_at 0} light_source{<5,5,-5> 1} sphere{0,1 pigment{rgb <1,0,0>}}';

/** Renders a few pixels before the image gets its name, so that a broken one never does. */
async function renderOnce(docker: Docker, image: string, signal: AbortSignal): Promise<void> {
  const container = await docker.createContainer({
    Image: image,
    Labels: { 'capacloud.run': runMark() },
    Entrypoint: [
      '/bin/sh',
      '-c',
      `echo '${smokeScene}' > /tmp/scene.pov && render-tile && cat /out/tile.png`,
    ],
    Env: [
      'SCENE=/tmp/scene.pov',
      'WIDTH=16',
      'HEIGHT=16',
      'COLUMNS=2',
      'CAPACLOUD_TASK_INDEX=1',
      'CAPACLOUD_TASK_COUNT=4',
    ],
    Cmd: [],
    HostConfig: {
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Tmpfs: { '/tmp': 'rw,noexec,nosuid,nodev,size=16m', '/out': 'rw,noexec,uid=65532,gid=65532,size=1m' },
    },
  });
  try {
    await container.start();
    const limit = AbortSignal.any([signal, AbortSignal.timeout(smokeTimeoutMs)]);
    const { StatusCode: status } = (await container.wait({ abortSignal: limit })) as { StatusCode: number };
    if (status !== 0) {
      const output = await container.logs({ stdout: true, stderr: true, tail: 20 });
      throw new Error(
        `the image ${image} does not render (exit status ${status}):\n${output.toString('utf8')}`,
      );
    }
  } finally {
    await container.remove({ force: true }).catch(() => undefined);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
