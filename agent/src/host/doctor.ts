import { execFile } from 'node:child_process';
import { access, constants, mkdir, readFile, statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { ScratchUse } from '../core/scratch-use.ts';
import type { AgentConfig } from './config.ts';
import { readKeyFile } from './key-file.ts';
import { diskSettingText, scratchText } from './scratch-text.ts';

export interface Finding {
  readonly id: string;
  readonly ok: boolean;
  readonly is: string;
  readonly should: string;
  /** How to mend it; empty when all is well. */
  readonly mend: string;
}

export interface DoctorParts {
  readonly config: AgentConfig;
  readonly pingEngine: (
    signal: AbortSignal,
  ) => Promise<{ readonly version: string; readonly runtimes: readonly string[] }>;
  /** What the agent would use, and whether loop devices can be used here. */
  readonly findScratch: (signal: AbortSignal) => Promise<ScratchUse & { readonly loopWorks: boolean }>;
}

const checkTimeoutMs = 15_000;
const minFreeBytes = 2 * 1024 ** 3;
const minFreeInodes = 10_000;
const maxSkewMs = 60_000;
const minEngineMajor = 20;

type Check = (parts: DoctorParts, signal: AbortSignal) => Promise<readonly Finding[]>;

const checks: Readonly<Record<string, Check>> = {
  engine,
  state_dir: stateDir,
  scratch,
  key,
  nvidia,
  coordinator,
};

/** Every check, each under its own deadline: one that hangs or throws is a finding too. */
export async function examine(parts: DoctorParts): Promise<readonly Finding[]> {
  const findings = await Promise.all(
    Object.entries(checks).map(async ([id, check]) => {
      try {
        return await check(parts, AbortSignal.timeout(checkTimeoutMs));
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        return [finding(id, false, message, 'the check can be made', 'See the message.')];
      }
    }),
  );
  return findings.flat();
}

function finding(id: string, ok: boolean, is: string, should: string, mend: string): Finding {
  return { id, ok, is, should, mend: ok ? '' : mend };
}

async function engine({ config, pingEngine }: DoctorParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const should = `Docker ${minEngineMajor} or newer at ${config.dockerSocket}`;
  try {
    const { version, runtimes } = await pingEngine(signal);
    const ok = Number.parseInt(version, 10) >= minEngineMajor;
    return [
      finding('engine', ok, `Docker ${version}, runtimes ${runtimes.join(', ')}`, should, 'Update Docker.'),
    ];
  } catch (error) {
    const is = error instanceof Error ? error.message : String(error);
    return [
      finding(
        'engine',
        false,
        is,
        should,
        'Start Docker, and put the user of the agent into the group docker; or set docker_socket.',
      ),
    ];
  }
}

async function stateDir({ config }: DoctorParts): Promise<readonly Finding[]> {
  const { stateDir: dir } = config;
  const should = `${dir} can be written`;
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await access(dir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const is = error instanceof Error ? error.message : String(error);
    return [
      finding('state_dir', false, is, should, `Give ${dir} to the user of the agent, or set state_dir.`),
    ];
  }
  const { bavail, bsize, files, ffree } = await statfs(dir);
  const freeBytes = bavail * bsize;
  const gib = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB free`;
  // Some file systems (btrfs) count no inodes.
  const inodesOk = files === 0 || ffree >= minFreeInodes;
  return [
    finding('state_dir', true, 'it can be written', should, ''),
    finding(
      'disk',
      freeBytes >= minFreeBytes,
      gib(freeBytes),
      `at least ${gib(minFreeBytes)}`,
      'Free some space, or move state_dir.',
    ),
    finding(
      'inodes',
      inodesOk,
      files === 0 ? 'not counted' : `${ffree} free`,
      `at least ${minFreeInodes} free`,
      'Delete small files, or move state_dir.',
    ),
  ];
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

/** Only where a driver is: a machine without GPUs is well too. */
async function nvidia(_: DoctorParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const loaded = await readFile('/proc/driver/nvidia/version', 'utf8').catch(() => undefined);
  const should = 'the driver answers nvidia-smi';
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', ['-L'], { signal, killSignal: 'SIGKILL' });
    return [
      finding(
        'nvidia',
        stdout.includes('GPU '),
        stdout.trim().split('\n').join('; '),
        should,
        'Look for Xid errors in dmesg.',
      ),
    ];
  } catch (error) {
    if (loaded === undefined) return [];
    const is = error instanceof Error ? error.message : String(error);
    return [
      finding(
        'nvidia',
        false,
        is,
        should,
        'Kernel module and user space may differ after an update: reboot, or load the module again.',
      ),
    ];
  }
}

async function coordinator({ config }: DoctorParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const url = new URL(config.coordinator);
  url.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
  url.pathname = '/healthz';
  const should = `${url.origin} answers`;
  let response: Response;
  try {
    response = await fetch(url, { signal, redirect: 'error' });
    await response.body?.cancel();
  } catch (error) {
    const cause =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    return [finding('coordinator', false, cause, should, 'Check the URL, DNS, the firewall and the proxy.')];
  }
  const findings = [
    finding(
      'coordinator',
      response.ok,
      `HTTP ${response.status}`,
      should,
      'Ask its operator, or check the URL.',
    ),
  ];
  const date = Date.parse(response.headers.get('date') ?? '');
  if (!Number.isNaN(date)) {
    const skewMs = Math.abs(Date.now() - date);
    const is = `${Math.round(skewMs / 1000)} s apart`;
    findings.push(
      finding(
        'clock',
        skewMs <= maxSkewMs,
        is,
        `at most ${maxSkewMs / 1000} s apart`,
        'Let the clock be set: timedatectl set-ntp true.',
      ),
    );
  }
  return findings;
}
