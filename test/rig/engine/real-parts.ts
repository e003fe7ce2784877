import { canUseLoopScratch } from '@capacloud/agent/scratch/loop-scratch';
import { hasProgram } from '../programs/programs.ts';

// Tests without the real part that they need are skipped, with `skipIf`; under continuous integration, where it was
// promised, their file fails to load.

export function hasPart(part: string, isThere: boolean): boolean {
  if (!isThere && process.env.CI === 'true')
    throw new Error(`${part} is missing, and CI=true lets nothing be skipped`);
  return isThere;
}

export const hasEngine = (): boolean =>
  hasPart(
    'CAPACLOUD_DOCKER_SOCKET, the socket of an engine,',
    process.env.CAPACLOUD_DOCKER_SOCKET !== undefined,
  );

/** An engine of the test's own takes root, and a daemon to start. */
export const canRunEngine = (): boolean =>
  hasEngine() && hasPart('root with a dockerd', process.getuid?.() === 0 && hasProgram('dockerd'));

export const hasLoopDevices = async (): Promise<boolean> =>
  hasPart('/dev/loop-control or a program for loop devices', await canUseLoopScratch());
