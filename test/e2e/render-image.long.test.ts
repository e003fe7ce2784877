import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { hasPart } from '@capacloud/rig/engine/real-parts';
import { assemblePicture } from '@capacloud/rig/images/assemble-picture';
import { ensureRenderImage } from '@capacloud/rig/images/render-image';
import { runMark } from '@capacloud/rig/leftovers/run-mark';
import Docker from 'dockerode';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

const socketPath = process.env.CAPACLOUD_DOCKER_SOCKET ?? '/var/run/docker.sock';
const scene = fileURLToPath(new URL('../../scripts/demo/scene/capacloud.pov', import.meta.url));
const cacheDir = fileURLToPath(new URL('../../.cache/images', import.meta.url));
const signal = new AbortController().signal;

async function engineListens(): Promise<boolean> {
  const listens = await new Promise<boolean>((resolve) => {
    const socket = connect(socketPath, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
  return hasPart(`a Docker engine at ${socketPath}`, listens);
}

describe.skipIf(!(await engineListens()))('the render image', () => {
  const docker = new Docker({ socketPath });
  let folder = '';
  let image = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'capacloud-render-'));
    image = (await ensureRenderImage({ docker, cacheDir, log: () => undefined, signal })).image;
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** A container as an agent would make it: see the container profile in the agent's README. */
  async function createTask(
    name: string,
    env: Record<string, string>,
    source = scene,
  ): Promise<{ container: Docker.Container; out: string; log: () => string }> {
    const out = join(folder, name);
    const input = join(folder, `${name}.pov`);
    await mkdir(out);
    await chmod(out, 0o777);
    await copyFile(source, input);
    await chmod(input, 0o644);
    const container = await docker.createContainer({
      Image: image,
      User: '65532:65532',
      Labels: { 'capacloud.run': runMark() },
      Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
      HostConfig: {
        NetworkMode: 'none',
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        PidsLimit: 64,
        Memory: 256 * 2 ** 20,
        MemorySwap: 256 * 2 ** 20,
        Tmpfs: { '/tmp': 'rw,noexec,nosuid,nodev,size=64m' },
        Binds: [`${input}:/in/scene.pov:ro`, `${out}:/out`],
      },
    });
    onTestFinished(() => container.remove({ force: true }));
    const output = new PassThrough();
    let text = '';
    output.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const stream = await container.attach({ stream: true, stdout: true, stderr: true });
    docker.modem.demuxStream(stream, output, output);
    return { container, out, log: () => text };
  }

  async function exitStatus(container: Docker.Container): Promise<number> {
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    return StatusCode;
  }

  async function renderTile(
    index: number,
    count: number,
    columns: number,
  ): Promise<{ index: number; count: number; png: Buffer }> {
    const env = {
      WIDTH: '150',
      HEIGHT: '110',
      QUALITY: '9',
      COLUMNS: String(columns),
      CAPACLOUD_TASK_INDEX: String(index),
      CAPACLOUD_TASK_COUNT: String(count),
    };
    const { container, out, log } = await createTask(`tile-${index}-of-${count}`, env);
    await container.start();
    expect(await exitStatus(container), log()).toBe(0);
    expect(await readdir(out)).toEqual(['tile.png']);
    expect(log()).toContain(`tile ${index + 1} of ${count}: done`);
    return { index, count, png: await readFile(join(out, 'tile.png')) };
  }

  test('renders tiles that make exactly the picture that one run renders', async () => {
    const tiles = [];
    for (let index = 0; index < 12; index += 1) tiles.push(await renderTile(index, 12, 4));
    const grid = { width: 150, height: 110, columns: 4 };
    const assembled = PNG.sync.read(assemblePicture(tiles, grid));
    const whole = PNG.sync.read((await renderTile(0, 1, 1)).png);
    expect([assembled.width, assembled.height]).toEqual([whole.width, whole.height]);
    expect(assembled.data.equals(whole.data)).toBe(true);
    // A black or blank picture would be equal to itself as well.
    expect(new Set(whole.data).size).toBeGreaterThan(100);
  });

  test('stops at SIGTERM and leaves no half tile behind', async () => {
    const { container, out, log } = await createTask('stopped', {
      WIDTH: '4000',
      HEIGHT: '3000',
      QUALITY: '9',
    });
    await container.start();
    await expect.poll(log, { timeout: 60_000 }).toContain('10%');
    await container.kill({ signal: 'SIGTERM' });
    expect(await exitStatus(container)).toBe(143);
    expect(await readdir(out)).toEqual([]);
  });

  test('says what is wrong with a setting, and with a scene', async () => {
    const setting = await createTask('setting', { WIDTH: '12x' });
    await setting.container.start();
    expect(await exitStatus(setting.container)).toBe(64);
    expect(setting.log()).toContain("WIDTH must be a whole number from 1 to 32768, not '12x'");

    const broken = join(folder, 'broken.txt');
    await writeFile(broken, '#version 3.7;\nsphere { 0, }\n');
    const task = await createTask('broken', { WIDTH: '16', HEIGHT: '16' }, broken);
    await task.container.start();
    expect(await exitStatus(task.container)).toBe(1);
    expect(task.log()).toMatch(/scene\.pov' line 2: Parse Error/);
  });

  test('is served from the engine when it is there already', async () => {
    const lines: string[] = [];
    const again = await ensureRenderImage({
      docker: socketPath,
      cacheDir,
      log: (line) => lines.push(line),
      signal,
    });
    expect(again.builtFrom).toBe('cache');
    expect(again.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(lines).toEqual([]);
  });
});
