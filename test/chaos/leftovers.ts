import { readdir, readFile } from 'node:fs/promises';

/** What the kernel still has mounted or attached below a folder, in words; a few mount points may be told to be there. */
export async function findMounts(dir: string, mountPoints: readonly string[]): Promise<readonly string[]> {
  const mounts = (await readFile('/proc/mounts', 'utf8'))
    .split('\n')
    .filter((line) => line.includes(`${dir}/`))
    .filter((line) => !mountPoints.some((point) => line.includes(` ${point} `)));
  const names = await readdir('/sys/block').catch(() => []);
  const files = await Promise.all(
    names.map((name) => readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '')),
  );
  const loops = files
    .filter((file) => file.startsWith(`${dir}/`))
    .filter((file) => !mountPoints.some((point) => file.startsWith(point)));
  return [
    ...mounts.map((line) => `a mount is left: ${line}`),
    ...loops.map((file) => `a loop device is left on ${file.trim()}`),
  ];
}

/** Processes whose command names the folder. */
export async function findProcesses(dir: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return commands
    .filter((command) => command.includes(`${dir}/`))
    .map((command) => `a process is left: ${command.replaceAll('\0', ' ').slice(0, 200)}`);
}
