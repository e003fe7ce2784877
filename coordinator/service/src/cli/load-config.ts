import { existsSync, readFileSync } from 'node:fs';
import { type Config, readConfig } from '../config/config.ts';
import { CommandRefused } from './failure.ts';

export interface ConfigFlags {
  readonly config?: string;
  readonly dataDir?: string;
  readonly listen?: string;
  readonly name?: string;
  readonly logLevel?: string;
}

/** Flags, environment and file → settings. Throws CommandRefused with everything that is wrong. */
export function loadConfig(flags: ConfigFlags, env: NodeJS.ProcessEnv): Config {
  const path = flags.config ?? env.CAPACLOUD_CONFIG;
  if (path !== undefined && !existsSync(path))
    throw new CommandRefused({ code: 'config.invalid', message: `There is no file ${path}.` });
  const result = readConfig({
    file: path === undefined ? undefined : readText(path),
    env,
    flags: {
      data_dir: flags.dataDir,
      listen: flags.listen,
      name: flags.name,
      log_level: flags.logLevel,
    },
    cwd: process.cwd(),
  });
  if (!result.ok) throw new CommandRefused(result.refusal);
  return result.value;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CommandRefused({
      code: 'config.invalid',
      message: `The file ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      hint: 'Name another with --config, or let the user that runs it read that one.',
    });
  }
}
