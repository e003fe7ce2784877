import { createHash } from 'node:crypto';
import { access, constants, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { fetchVerified } from '../../../scripts/verified-package.mjs';
import { repositoryRoot } from '../repository-root.ts';
import { downloadDebianPackages } from './debian-packages.ts';
import { connectEngine, findImage, loadRootfs, recipeLabel, registryHas } from './engine.ts';
import { type RootfsEntry, writeRootfsTar } from './rootfs-tar.ts';

interface Manifest {
  readonly toolchain: { readonly npm: string; readonly integrity: Readonly<Record<string, string>> };
}

/** What both Dockerfiles start from where no registry answers. Named as ours, so that nobody takes it for the official one. */
const ownImageName = 'capacloud/node:26-bookworm-slim';

const registryTimeoutMs = 60_000;
const packages = [
  'base-files',
  'bash',
  'ca-certificates',
  'coreutils',
  'dash',
  'findutils',
  'grep',
  'libatomic1',
  'libstdc++6',
  'sed',
  'tar',
];
/** Raised when this module changes what the image holds. */
const revision = '2';
const hostCertificates = '/etc/ssl/certs/ca-certificates.crt';

interface BaseImageRequest {
  readonly docker: Docker | string;
  /** What the Dockerfiles start from, with its digest. */
  readonly pinned: string;
  readonly cacheDir: string;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

interface BaseImage {
  readonly image: string;
  readonly builtFrom: 'cache' | 'registry' | 'debian';
}

/**
 * Makes sure that the engine has the image that our Dockerfiles start from. Where no registry answers, it
 * is made of Debian packages, the Node that runs this, and npm. It then trusts what this machine trusts,
 * since a machine without a registry often reaches the world through a proxy with a certificate of its own.
 */
export async function ensureBaseImage(request: BaseImageRequest): Promise<BaseImage> {
  const { pinned, cacheDir, log, signal } = request;
  const docker = connectEngine(request.docker);
  const { toolchain } = JSON.parse(await readFile(join(repositoryRoot, 'package.json'), 'utf8')) as Manifest;
  const recipe = createHash('sha256')
    .update(JSON.stringify([revision, packages, toolchain.npm, process.versions.node]))
    .digest('hex');
  const image = ownImageName;
  if ((await findImage(docker, image, recipe)) !== undefined) return { image, builtFrom: 'cache' };
  if (await isOurs(docker, image)) log(`the ${image} made here earlier is out of date`);
  else if (await registryHas(docker, pinned, { timeoutMs: registryTimeoutMs, signal }))
    return { image: pinned, builtFrom: 'registry' };
  else log(`no image registry answers: making ${image} from Debian packages`);

  if (process.versions.node.split('.')[0] !== '26') {
    throw new Error(
      `${image} needs Node 26, and this is ${process.versions.node}\n  hint: run this with node scripts/with-toolchain.mjs`,
    );
  }
  const work = join(cacheDir, `base-${process.pid}`);
  try {
    await mkdir(work, { recursive: true });
    log('downloading Debian packages and npm');
    const [debs, npmDir] = await Promise.all([
      downloadDebianPackages({ packages, cacheDir: join(work, 'packages'), log, signal }),
      downloadNpm(join(work, 'npm'), toolchain),
    ]);
    const file = join(work, 'rootfs.tar');
    await writeRootfsTar({
      debs,
      exclude: ['usr/share/doc', 'usr/share/man', 'usr/share/locale'],
      entries: await ownEntries(npmDir),
      file,
      signal,
    });
    log('loading the root file system into the Docker engine');
    const trust = (await readable(hostCertificates)) ? [`NODE_EXTRA_CA_CERTS=${hostCertificates}`] : [];
    const settings = {
      Env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        `NODE_VERSION=${process.versions.node}`,
        ...trust,
      ],
      Cmd: ['node'],
      Labels: { [recipeLabel]: recipe },
    };
    await loadRootfs(docker, { image, file, settings, signal });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { image, builtFrom: 'debian' };
}

async function isOurs(docker: Docker, image: string): Promise<boolean> {
  const found = await docker
    .getImage(image)
    .inspect()
    .catch(() => undefined);
  return found?.Config.Labels?.[recipeLabel] !== undefined;
}

async function downloadNpm(folder: string, toolchain: Manifest['toolchain']): Promise<string> {
  await mkdir(folder, { recursive: true });
  return fetchVerified({
    name: 'npm',
    version: toolchain.npm,
    hashes: toolchain.integrity,
    folder,
    env: process.env,
  });
}

async function ownEntries(npmDir: string): Promise<RootfsEntry[]> {
  const npmPath = 'usr/local/lib/node_modules/npm';
  const files = await readdir(npmDir, { recursive: true, withFileTypes: true });
  const entries: RootfsEntry[] = [
    ...['dev', 'proc', 'sys', 'run', 'root'].map((path): RootfsEntry => ({ type: 'directory', path })),
    { type: 'directory', path: 'tmp', mode: 0o1777 },
    { type: 'symlink', path: 'usr/bin/sh', target: 'dash' },
    {
      type: 'file',
      path: 'etc/passwd',
      content: 'root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000:node:/home/node:/bin/bash\n',
    },
    { type: 'file', path: 'etc/group', content: 'root:x:0:\nnode:x:1000:\n' },
    { type: 'directory', path: 'home/node', uid: 1000 },
    { type: 'copy', path: 'usr/local/bin/node', mode: 0o755, source: process.execPath },
    { type: 'symlink', path: 'usr/local/bin/npm', target: '../lib/node_modules/npm/bin/npm-cli.js' },
    { type: 'symlink', path: 'usr/local/bin/npx', target: '../lib/node_modules/npm/bin/npx-cli.js' },
    ...files
      .filter((file) => file.isFile())
      .map((file): RootfsEntry => {
        const source = join(file.parentPath, file.name);
        const path = npmPath + source.slice(npmDir.length);
        return { type: 'copy', path, mode: path.startsWith(`${npmPath}/bin/`) ? 0o755 : 0o644, source };
      }),
  ];
  if (await readable(hostCertificates))
    entries.push({ type: 'copy', path: hostCertificates.slice(1), source: hostCertificates });
  return entries;
}

async function readable(path: string): Promise<boolean> {
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}
