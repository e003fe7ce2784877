import { posix } from 'node:path';
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import { own, type Sentence, say } from '../../core/sentence.ts';
import { volumesFault } from '../image-volumes.ts';

const Texts = Type.Union([Type.Null(), Type.Array(Type.String())]);
const ConfigSchema = Type.Object({
  architecture: Type.Optional(Type.String()),
  os: Type.Optional(Type.String()),
  variant: Type.Optional(Type.String()),
  rootfs: Type.Object({
    diff_ids: Type.Array(Type.String({ pattern: '^sha256:[0-9a-f]{64}$', maxLength: 71 })),
  }),
  config: Type.Optional(
    Type.Union([
      Type.Null(),
      Type.Object({
        Env: Type.Optional(Texts),
        Entrypoint: Type.Optional(Texts),
        Cmd: Type.Optional(Texts),
        Volumes: Type.Optional(Type.Union([Type.Null(), Type.Record(Type.String(), Type.Unknown())])),
        WorkingDir: Type.Optional(Type.String()),
      }),
    ]),
  ),
});
export type ImageConfigFile = Static<typeof ConfigSchema>;

/** What an image brings to a container. The rest of a configuration is nothing that a task may use. */
export interface ImageSettings {
  readonly env: readonly string[];
  readonly volumes: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly workingDir: string;
}

/** Bounds of an image's own settings; the kernel starts no program with more. */
export const imageSettingBounds = {
  /** One variable or argument. */
  textBytes: 64 * 1024,
  /** All variables, and all arguments. */
  totalBytes: 512 * 1024,
  items: 4096,
} as const;
const maxPathBytes = 1024;
const maxNameBytes = 255;

export function parseImageConfig(bytes: Buffer): ImageConfigFile | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return Value.Check(ConfigSchema, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function settingsOf({ config }: ImageConfigFile): ImageSettings {
  return {
    env: config?.Env ?? [],
    volumes: Object.keys(config?.Volumes ?? {}),
    entrypoint: config?.Entrypoint ?? [],
    command: config?.Cmd ?? [],
    workingDir: config?.WorkingDir ?? '',
  };
}

/**
 * What is left of a configuration when the engine gets it. A health check, triggers of builds, labels, ports, a user, a stop signal
 * and whatever else a stranger wrote there never come before the engine's own reader.
 */
export function plainConfig(file: ImageConfigFile): Buffer {
  const { env, volumes, entrypoint, command, workingDir } = settingsOf(file);
  const { architecture = '', os = 'linux', variant } = file;
  return Buffer.from(
    JSON.stringify({
      architecture,
      os,
      ...(variant === undefined ? {} : { variant }),
      config: {
        Env: env,
        ...(entrypoint.length === 0 ? {} : { Entrypoint: entrypoint }),
        ...(command.length === 0 ? {} : { Cmd: command }),
        ...(volumes.length === 0 ? {} : { Volumes: Object.fromEntries(volumes.map((path) => [path, {}])) }),
        ...(workingDir === '' ? {} : { WorkingDir: workingDir }),
      },
      rootfs: { type: 'layers', diff_ids: file.rootfs.diff_ids },
    }),
  );
}

/** Why no container can be made with these settings; undefined where one can. */
export function settingsFault(settings: ImageSettings): Sentence | undefined {
  const { env, volumes, entrypoint, command, workingDir } = settings;
  return (
    textsFault(say`variables`, env) ??
    textsFault(say`arguments`, [...entrypoint, ...command]) ??
    envFault(env) ??
    volumesFault(volumes) ??
    (volumes.some((path) => !isUsablePath(path))
      ? say`The image declares a volume whose path is too long, or has characters that no path may have.`
      : undefined) ??
    (workingDir === '' || (workingDir.startsWith('/') && isUsablePath(workingDir))
      ? undefined
      : say`The working directory of the image, ${own(workingDir)}, is no absolute path that can be used.`)
  );
}

function textsFault(what: Sentence, texts: readonly string[]): Sentence | undefined {
  const { items, textBytes, totalBytes } = imageSettingBounds;
  if (texts.length > items) return say`The image has ${texts.length} ${what}; ${items} are allowed.`;
  const sizes = texts.map((text) => Buffer.byteLength(text));
  if (sizes.some((bytes) => bytes > textBytes))
    return say`One of the ${what} of the image is longer than ${textBytes} bytes.`;
  if (sizes.reduce((sum, bytes) => sum + bytes, 0) > totalBytes)
    return say`The ${what} of the image are longer than ${totalBytes} bytes together.`;
  return texts.some((text) => text.includes('\0'))
    ? say`One of the ${what} of the image has a zero byte.`
    : undefined;
}

function envFault(env: readonly string[]): Sentence | undefined {
  const odd = env.find((entry) => entry.indexOf('=') < 1);
  return odd === undefined
    ? undefined
    : say`The image sets a variable without a name or a value: ${own(odd)}.`;
}

function isUsablePath(path: string): boolean {
  const isShort = Buffer.byteLength(path) <= maxPathBytes;
  const parts = posix.normalize(path).split('/');
  return isShort && !/[\p{Cc}]/u.test(path) && parts.every((part) => Buffer.byteLength(part) <= maxNameBytes);
}
