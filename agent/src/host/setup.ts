import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { type Result, refuse } from '@capacloud/protocol/result';
import { stringify } from 'yaml';
import { keyFileBeside, resolveConfig } from './config.ts';
import { OwnerMustAct } from './failure.ts';
import { createKeyFile } from './key-file.ts';
import { makeFolder } from './make-folder.ts';
import type { RawValue } from './setting-parsers.ts';

export interface SetupOptions {
  /** Absolute: the key goes beside it, and the agent may start in another folder. */
  readonly configFile: string;
  readonly flags: Readonly<Record<string, RawValue>>;
  /** Writes over a configuration that is there. A key is never written over. */
  readonly force: boolean;
  /** Where to ask for what the flags leave open; undefined when nobody is there to answer. */
  readonly terminal: { readonly input: Readable; readonly output: Writable } | undefined;
}

export interface SetupDone {
  readonly configFile: string;
  readonly keyFile: string;
  readonly keyCreated: boolean;
}

/** Writes configuration and key. */
export async function setUp(options: SetupOptions): Promise<Result<SetupDone>> {
  const flags: Record<string, RawValue> = { ...options.flags };
  if (options.terminal !== undefined) await ask(flags, options.terminal);
  flags.key_file ??= keyFileBeside(options.configFile);
  const checked = resolveConfig({ file: undefined, env: {}, flags });
  if (!checked.ok) return checked;
  makeFolder(dirname(options.configFile), 0o755);
  try {
    await writeFile(options.configFile, stringify(tree(flags)), {
      mode: 0o644,
      flag: options.force ? 'w' : 'wx',
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      return refuse('request.conflict', `${options.configFile} exists already`, {
        hint: 'Edit it, or use --force to write it anew.',
      });
    }
    throw error;
  }
  const { keyFile } = checked.value;
  const keyCreated = await createKeyFile(keyFile);
  return { ok: true, value: { configFile: options.configFile, keyFile, keyCreated } };
}

async function ask(
  flags: Record<string, RawValue>,
  terminal: { readonly input: Readable; readonly output: Writable },
): Promise<void> {
  const reader = createInterface(terminal);
  // At the end of the input a question would wait for ever, and the process end without a word.
  const ended = new Promise<never>((_, reject) =>
    reader.once('close', () =>
      reject(
        new OwnerMustAct({
          code: 'config.invalid',
          message: 'the input ended before the questions were answered; nothing was written',
          hint: 'Answer them, or give --coordinator and --provider.',
        }),
      ),
    ),
  );
  ended.catch(() => {});
  const question = async (text: string) => (await Promise.race([reader.question(text), ended])).trim();
  try {
    flags.coordinator ??= await question('Coordinator (wss://…): ');
    if (flags.provider === undefined) {
      const answer = await question('Wallet address that is paid (empty: that of the new key): ');
      if (answer !== '') flags.provider = answer;
    }
  } finally {
    reader.close();
  }
}

/** resources.cpu becomes resources: {cpu}. */
function tree(flags: Readonly<Record<string, RawValue>>): Readonly<Record<string, unknown>> {
  const root: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(flags)) {
    const [first = '', second] = key.split('.');
    if (second === undefined) root[first] = value;
    else root[first] = { ...(root[first] as object | undefined), [second]: value };
  }
  return root;
}
