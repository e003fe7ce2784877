import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Setting, settings } from './setting.ts';
import { type RawValue } from './setting-parsers.ts';

export type Options = Readonly<Record<string, RawValue | undefined>>;

/** resources.cpu → cpu, ask.cpu_hour → ask-cpu-hour, state_dir → state-dir. */
function flagOf(key: string): string {
  return key.replace(/^resources\./, '').replace(/[._]/g, '-');
}

function optionOf({ key, shape, help }: Setting): Option {
  const name = `--${flagOf(key)}`;
  return new Option(shape === 'bool' ? `${name} [${shape}]` : `${name} <${shape}>`, help);
}

/** One flag for each setting. A switch also has a --no- flag, so that a flag can undo what the file says. */
export function addSettingFlags(command: Command): void {
  for (const setting of settings) {
    command.addOption(optionOf(setting));
    if (setting.shape === 'bool')
      command.option(`--no-${flagOf(setting.key)}`, `same as --${flagOf(setting.key)}=false`);
  }
}

function isPath({ shape }: Setting): boolean {
  return shape === 'file' || shape === 'dir';
}

/** The settings that the command line gives, by key. */
export function givenSettings(options: Options): Readonly<Record<string, RawValue>> {
  const given: Record<string, RawValue> = {};
  for (const setting of settings) {
    const value = options[optionOf(setting).attributeName()];
    // As in every other program, a relative path in a flag starts at the current folder.
    if (value !== undefined)
      given[setting.key] = isPath(setting) && typeof value === 'string' ? resolve(value) : value;
  }
  return given;
}
