import { access, constants } from 'node:fs/promises';
import { withDeadline } from '@capacloud/waiting/deadline';
import { coordinatorCheck } from './checks/coordinator-checks.ts';
import { engineCheck } from './checks/engine-checks.ts';
import { type Check, type DoctorParts, type Finding, finding, messageOf } from './checks/finding.ts';
import { gpuCheck } from './checks/gpu-checks.ts';
import { registryCheck } from './checks/registry-checks.ts';
import { roomFindings } from './checks/room.ts';
import { uidCheck } from './checks/uid-checks.ts';
import { readKeyFile } from './key-file.ts';
import { makeFolder } from './make-folder.ts';
import { diskSettingText, scratchText } from './scratch-text.ts';

/** A container with GPUs takes an engine some seconds to start. */
const checkTimeoutMs = 30_000;

/** Every check there is, in the order in which they are told. */
const checks: Readonly<Record<string, Check>> = {
  engine: engineCheck,
  registries: registryCheck,
  state_dir: stateDir,
  scratch,
  task_uids: uidCheck,
  key,
  nvidia: gpuCheck,
  coordinator: coordinatorCheck,
};

/** Every check, each under its own deadline: one that hangs or throws is a finding too. */
export async function examine(
  parts: DoctorParts,
  signal: AbortSignal = AbortSignal.any([]),
  timeoutMs = checkTimeoutMs,
): Promise<readonly Finding[]> {
  const findings = await Promise.all(
    Object.entries(checks).map(([id, check]) =>
      examineOne(id, (limit) => check(parts, limit), timeoutMs, signal),
    ),
  );
  return findings.flat();
}

async function examineOne(
  id: string,
  check: (limit: AbortSignal) => Promise<readonly Finding[]>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const error = () => new Error(`the check was not done in ${timeoutMs / 1000} s`);
  try {
    // A check that ignores its signal, as one that hangs in the kernel, is left behind.
    return await withDeadline({ limitMs: timeoutMs, signal, error }, check);
  } catch (error) {
    return [finding(id, false, messageOf(error), 'the check can be made', 'See the message.')];
  }
}

async function stateDir({ config }: DoctorParts): Promise<readonly Finding[]> {
  const { stateDir: dir } = config;
  const should = `${dir} can be written`;
  try {
    makeFolder(dir);
    await access(dir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const mend = `Give ${dir} to the user of the agent, or set state_dir.`;
    return [finding('state_dir', false, messageOf(error), should, mend)];
  }
  const room = await roomFindings(['disk', 'inodes'], dir, 'Free some space, or move state_dir.');
  return [finding('state_dir', true, 'it can be written', should, ''), ...room];
}

/** Memory is no fault, but the owner has to know what is sold as disk. */
async function scratch(
  { config, findScratch }: DoctorParts,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const use = await findScratch(signal);
  const needs = 'root, /dev/loop-control, mkfs.ext4 and debugfs (e2fsprogs), losetup (util-linux)';
  if (config.scratch === 'loop' && !use.loopWorks) {
    const mend = 'Install what is missing and run the agent as root, or set scratch: auto.';
    return [
      finding('scratch', false, 'loop devices cannot be used here', `scratch: loop has ${needs}`, mend),
    ];
  }
  const is = [scratchText(use), diskSettingText(use, config.resources.disk)].filter(
    (text) => text !== undefined,
  );
  return [finding('scratch', true, is.join('; '), 'it is known where scratch lives', '')];
}

async function key({ config }: DoctorParts): Promise<readonly Finding[]> {
  const read = await readKeyFile(config.keyFile);
  const should = `${config.keyFile} holds the key and only its owner can read it`;
  if (read.ok) return [finding('key', true, 'it does', should, '')];
  return [finding('key', false, read.refusal.message, should, read.refusal.hint ?? '')];
}
