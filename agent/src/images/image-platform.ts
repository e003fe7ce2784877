import type { RuntimeFailure } from '../core/ports.ts';
import { own, say } from '../core/sentence.ts';

/** What an image is made for, as registries and engines spell it: amd64 and linux. */
export interface Platform {
  readonly architecture: string;
  readonly os: string;
}

/** The kernel's names, which the engine gives for its host. */
const names: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  aarch64: 'arm64',
  armv8l: 'arm64',
  armv7l: 'arm',
  armv6l: 'arm',
  i386: '386',
  i686: '386',
  loongarch64: 'loong64',
};
export function archOfEngine(architecture: string): string {
  return Object.hasOwn(names, architecture) ? (names[architecture] ?? architecture) : architecture;
}

/**
 * Why the engine cannot run the image, where none of its platforms is right. One that does not say what it is made for is
 * given the benefit of the doubt, as are lists of which a part is not known.
 */
export function wrongPlatform(
  image: string,
  platforms: readonly Platform[],
  engineArch: string,
): RuntimeFailure | undefined {
  // Attestations in a list of images have the platform unknown/unknown.
  const known = platforms.filter(({ architecture, os }) => isSaid(architecture) && isSaid(os));
  if (known.length === 0 || known.some((platform) => isRightPlatform(platform, engineArch))) return undefined;
  const archs = [...new Set(known.flatMap(({ architecture, os }) => (os === 'linux' ? [architecture] : [])))];
  const made = [...new Set(known.map(({ architecture, os }) => `${os}/${architecture}`))];
  const runsOn = archs.filter((arch) => /^[a-z0-9_]{1,16}$/.test(arch)).slice(0, 16);
  return {
    reason: 'image_wrong_platform',
    // The owner's offer tells the architecture as well.
    message: say`${own(image)} is made for ${own(made.slice(0, 8).join(', '))}; the node runs linux/${own(engineArch)}.`,
    ...(runsOn.length === 0 ? {} : { imageRunsOn: runsOn }),
  };
}

/** Whether tasks run programs that are made so. Not an older kind, such as 386 on amd64: the seccomp profile closes its calls. */
export function isRightPlatform({ architecture, os }: Platform, engineArch: string): boolean {
  return os === 'linux' && architecture === engineArch;
}

function isSaid(text: string): boolean {
  return text !== '' && text !== 'unknown';
}
