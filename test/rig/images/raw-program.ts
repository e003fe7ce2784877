import { elfExecutable } from '@capacloud/agent/scratch/keeper-image';
import type Docker from 'dockerode';
import type { Pack } from 'tar-stream';
import { busyboxArchive, importImage } from './engine-images.ts';

/** One system call: its number and arguments in the order of x86-64. */
export type RawCall = readonly (number | bigint)[];

/** `mov` of eight bytes into rax, rdi, rsi, rdx, r10, r8 and r9. */
const moves = ['48b8', '48bf', '48be', '48ba', '49ba', '49b8', '49b9'];
const x86 = 62;
const systemCall = '0f05';
/** A call of 32-bit x86 through its own gate: eax, ebx, ecx. */
const oldMoves = ['b8', 'bb', 'b9'];
const oldSystemCall = 'cd80';

function bytesOf(value: number | bigint, length: 4 | 8): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)));
  return bytes.subarray(0, length).toString('hex');
}

function codeOf(call: RawCall): string {
  return call.map((value, index) => `${moves[index]}${bytesOf(value, 8)}`).join('') + systemCall;
}

const exitCode = codeOf([60, 0]);

/** A program that makes the calls one by one and writes what each gives, as eight bytes. */
export function callingProgram(calls: readonly RawCall[]): Buffer {
  const sizeBytes = 8 * calls.length;
  const making = calls.map(
    // mov [rsp + 8 * index], rax
    (call, index) => `${codeOf(call)}48898424${bytesOf(8 * index, 4)}`,
  );
  // write(1, rsp, size), with rsp in rsi
  const writing = `${codeOf([1, 1])}`.slice(0, -4) + `4889e648ba${bytesOf(sizeBytes, 8)}${systemCall}`;
  return programOf(`4881ec${bytesOf(4096, 4)}${making.join('')}${writing}${exitCode}`);
}

/** A program that makes one call of 32-bit x86 and ends with 0, if it is still there. */
export function oldCallingProgram(call: RawCall): Buffer {
  const moving = call.map((value, index) => `${oldMoves[index]}${bytesOf(value, 4)}`).join('');
  return programOf(moving + oldSystemCall + exitCode);
}

/**
 * A program that makes a call until it fails, writes how often it went well (eight bytes), and stays. `setUp` runs once,
 * `step` after each call that went well.
 */
function exhaustingProgram({
  setUp = '',
  call,
  step = '',
}: {
  readonly setUp?: string;
  readonly call: string;
  readonly step?: string;
}): Buffer {
  const stepBytes = step.length / 2;
  // again: <call>; test eax, eax; js done; inc ebx; <step>; jmp again
  const backBytes = call.length / 2 + stepBytes + 8;
  const loop = `${call}85c078${bytesOf(stepBytes + 4, 4).slice(0, 2)}ffc3${step}eb${bytesOf(-backBytes, 4).slice(0, 2)}`;
  // done: push rbx; write(1, rsp, 8); again: pause(); jmp again
  const writing = `534889e6b801000000bf01000000ba08000000${systemCall}`;
  return programOf(`${setUp}31db${loop}${writing}b822000000${systemCall}ebf7`);
}

/** Makes instances of inotify. */
export function inotifyProgram(): Buffer {
  return exhaustingProgram({ call: codeOf([294, 0]) });
}

/** Makes POSIX message queues with the names a, b, c and so on. */
export function queueProgram(): Buffer {
  // mq_open(rsp, O_CREAT | O_RDWR, 0600, NULL), with the name pushed before
  const call = `b8f00000004889e7be42000000ba8001000041ba00000000${systemCall}`;
  return exhaustingProgram({ setUp: '6a61', call, step: 'fe0424' });
}

/** Opens terminals. */
export function terminalProgram(): Buffer {
  // The path /dev/ptmx on the stack, the end first; open(rsp, O_RDWR)
  const setUp = '6a7848b82f6465762f70746d50';
  return exhaustingProgram({ setUp, call: `b8020000004889e7be02000000ba00000000${systemCall}` });
}

function programOf(code: string): Buffer {
  return elfExecutable({ machine: x86, code });
}

/** An image with a shell and the programs, in /raw, and what else `add` puts in. */
export async function rawImage(
  docker: Docker,
  name: string,
  programs: Readonly<Record<string, Buffer>>,
  add: (archive: Pack) => void = () => {},
): Promise<string> {
  const archive = await busyboxArchive((into) => {
    for (const [program, bytes] of Object.entries(programs))
      into.entry({ name: `raw/${program}`, mode: 0o755, mtime: new Date(0) }, bytes);
    add(into);
  });
  return await importImage(docker, `capacloud-test/${name}`, '1', archive);
}

/** The numbers that a program wrote. */
export function readNumbers(bytes: Uint8Array): readonly bigint[] {
  const view = Buffer.from(bytes);
  return Array.from({ length: view.length / 8 }, (_, index) => view.readBigInt64LE(8 * index));
}
