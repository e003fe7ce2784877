import type { EngineFacts } from '../../core/engine-facts.ts';
import { type Flaw, openFlaws } from '../../core/engine-flaws.ts';
import { type Finding, finding, warning } from './finding.ts';

/** Runtimes that are runc, or end in it. */
const runcRuntimes: readonly string[] = ['runc', 'nvidia', 'io.containerd.runc.v2'];

/** Whether containers of strangers are held by the engine: its known flaws, and filters of system calls. */
export function judgeConfinement(facts: EngineFacts, accepted: readonly string[]): readonly Finding[] {
  return [judgeSeccomp(facts), ...judgeBuilds(facts, accepted)];
}

function judgeSeccomp({ seccomp }: EngineFacts): Finding {
  const should = 'containers have a filter of system calls';
  if (seccomp === undefined)
    return finding(
      'seccomp',
      false,
      'the engine cannot filter system calls',
      should,
      'Use a kernel with CONFIG_SECCOMP_FILTER and a Docker that is built with seccomp.',
    );
  return finding(
    'seccomp',
    seccomp !== 'unconfined',
    seccomp === 'unconfined' ? 'it is switched off for other containers' : `it is on (${seccomp})`,
    should,
    'Remove seccomp-profile from the configuration of Docker (/etc/docker/daemon.json), and start Docker again.',
  );
}

function judgeBuilds(facts: EngineFacts, accepted: readonly string[]): readonly Finding[] {
  const { defaultRuntime, runc, version } = facts;
  const docker = judgeBuild('Docker', version, accepted);
  if (defaultRuntime !== undefined && !runcRuntimes.includes(defaultRuntime)) return [docker];
  return [docker, judgeBuild('runc', runc ?? '', accepted)];
}

function judgeBuild(part: Flaw['part'], build: string, accepted: readonly string[]): Finding {
  const id = part === 'runc' ? 'runc_flaws' : 'docker_flaws';
  const should = `${part} lets no container out by a known flaw`;
  const found = openFlaws(part, build);
  if (found === undefined)
    return warning(id, `${part} does not tell its version`, should, `See that ${part} is a recent release.`);
  const { flaws, isDistribution } = found;
  const stopping = flaws.filter(
    (flaw) => !isDistribution || (flaw.isWithinReach && !accepted.includes(flaw.id)),
  );
  const is = `${part} ${build}${flaws.length === 0 ? '' : `: ${flaws.map((flaw) => flaw.id).join(', ')}`}`;
  const releases = [...new Set(flaws.flatMap(({ fixedIn }) => fixedIn))].join(', ');
  if (stopping.length > 0) {
    const advice = isDistribution
      ? ` Where your distribution mended it under this number, say so: accepted_flaws: [${stopping.map((flaw) => flaw.id).join(', ')}].`
      : '';
    return finding(id, false, is, should, `Update ${part} (mended in ${releases}).${advice}`);
  }
  if (flaws.length === 0) return finding(id, true, is, should, '');
  return warning(
    id,
    `${is}, unless your distribution mended it; tasks have no shared mounts, which these take`,
    should,
    `Look it up in the security tracker of your distribution, or update ${part} (mended in ${releases}).`,
  );
}
