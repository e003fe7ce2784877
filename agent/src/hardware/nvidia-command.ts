import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const command = 'nvidia-smi';
/** Where drivers and container toolkits put it, which services and containers often do not have in their PATH. */
export const driverFolders: readonly string[] = [
  '/usr/bin',
  '/usr/local/bin',
  '/usr/local/nvidia/bin',
  '/usr/lib/wsl/lib',
  '/run/nvidia/driver/usr/bin',
  '/opt/bin',
];

/** The path of nvidia-smi: that of the PATH, else of a folder of drivers; its plain name where there is none. */
export function nvidiaCommand(
  env: Readonly<Record<string, string | undefined>> = process.env,
  folders: readonly string[] = driverFolders,
): string {
  const own = (env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
  return [...own, ...folders].map((folder) => join(folder, command)).find(isExecutable) ?? command;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
