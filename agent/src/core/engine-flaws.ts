/** A known way out of a container, or into what is the engine's. */
export interface Flaw {
  readonly id: string;
  readonly part: 'Docker' | 'runc';
  /** The first release without it of each series that was mended, in rising order. Later series never had it. */
  readonly fixedIn: readonly string[];
  /** Builds of distributions that carry the mend under an older number. Later revisions of the same release do, too. */
  readonly fixedBuilds: readonly string[];
  /**
   * A container that the agent makes can use it. Otherwise it takes mounts that two running containers of a stranger share,
   * and tasks share none; then a build that may be mended, for all that its number tells, is no reason to stop.
   */
  readonly isWithinReach: boolean;
}

/**
 * Of several flaws of one part with the same reach, the one that was mended last stands for all. containerd is not
 * listed: its flaws lie in interfaces that neither Docker nor the agent uses.
 */
export const flaws: readonly Flaw[] = [
  {
    // Working folders and descriptors that lead to the host. Older: CVE-2019-5736, CVE-2021-30465, CVE-2023-27561.
    id: 'CVE-2024-21626',
    part: 'runc',
    fixedIn: ['1.1.12'],
    fixedBuilds: [
      '1.0.0~rc6+dfsg1-3+deb10u3',
      '1.0.0~rc93+ds1-5+deb11u3',
      '1.1.5+ds1-1+deb12u1',
      '1.1.7-0ubuntu1~20.04.2',
      '1.1.7-0ubuntu1~22.04.2',
      '1.1.7-0ubuntu2.2',
    ],
    isWithinReach: true,
  },
  ...['CVE-2025-31133', 'CVE-2025-52565', 'CVE-2025-52881'].map(
    (id): Flaw => ({
      id,
      part: 'runc',
      fixedIn: ['1.2.8', '1.3.3', '1.4.0-rc.3'],
      fixedBuilds: [],
      isWithinReach: false,
    }),
  ),
  {
    // Groups that a container keeps against its configuration. Older: CVE-2021-41089 and CVE-2021-41091 (copying, folders).
    id: 'CVE-2022-36109',
    part: 'Docker',
    fixedIn: ['20.10.18'],
    fixedBuilds: [],
    isWithinReach: true,
  },
];

/** What is open in a build, and whether it comes from a distribution, whose number does not tell what it mended. */
export interface OpenFlaws {
  readonly flaws: readonly Flaw[];
  readonly isDistribution: boolean;
}

/** Judges a build by the number that it gives itself. Undefined where that is none. */
export function openFlaws(part: Flaw['part'], build: string): OpenFlaws | undefined {
  const version = versionOf(build);
  if (version === undefined) return undefined;
  const open = flaws.filter(
    (flaw) =>
      flaw.part === part &&
      !isRelease(version, flaw.fixedIn) &&
      !flaw.fixedBuilds.some((fixed) => isLaterBuild(build, fixed)),
  );
  return {
    flaws: open,
    isDistribution: /\+ds|~ds|dfsg|deb[0-9]|ubuntu|\.(el|fc|amzn)[0-9]|suse/.test(build),
  };
}

type Version = readonly [number, number, number, number];

/** Major, minor, patch and the number of a release candidate, which comes before the release itself. */
function versionOf(text: string): Version | undefined {
  const match = /^v?([0-9]+)\.([0-9]+)(?:\.([0-9]+))?(?:[-~]?rc\.?([0-9]+))?/.exec(text);
  if (match === null) return undefined;
  const [, major, minor, patch = 0, candidate = Number.MAX_SAFE_INTEGER] = match;
  return [Number(major), Number(minor), Number(patch), Number(candidate)];
}

function isRelease(version: Version, fixedIn: readonly string[]): boolean {
  const known = fixedIn.map(versionOf).filter((each) => each !== undefined);
  const ofSeries =
    known.find(([major, minor]) => major === version[0] && minor === version[1]) ?? known.at(-1);
  return ofSeries !== undefined && compare(version, ofSeries) >= 0;
}

function compare(one: Version, other: Version): number {
  return one.map((value, index) => value - (other[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
}

/** The same release of the same distribution, with the same revision or a later one. Rebuilds (+b1) change nothing. */
function isLaterBuild(build: string, fixed: string): boolean {
  const [, release, revision] = /^(.*?)([0-9]+)$/.exec(fixed) ?? [];
  const rest = release !== undefined && build.startsWith(release) ? build.slice(release.length) : '';
  const [, ownRevision] = /^([0-9]+)([+.~].*)?$/.exec(rest) ?? [];
  return ownRevision !== undefined && Number(ownRevision) >= Number(revision);
}
