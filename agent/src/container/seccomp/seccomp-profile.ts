import { absentCalls, allowedCalls, conditionalCalls } from './system-calls.ts';

interface ProfileArgument {
  readonly index: number;
  readonly op: 'SCMP_CMP_MASKED_EQ';
  /** The mask, in the words of libseccomp. */
  readonly value: number;
  readonly valueTwo: number;
}

interface ProfileRule {
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  readonly errnoRet?: number;
  readonly args?: readonly ProfileArgument[];
}

/** A profile as engines read it (the option `seccomp` of a container). */
export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ERRNO';
  readonly defaultErrnoRet: number;
  readonly archMap: readonly {
    readonly architecture: string;
    readonly subArchitectures: readonly string[];
  }[];
  readonly syscalls: readonly ProfileRule[];
}

const errors = { notPermitted: 1, noSuchCall: 38 } as const;

/**
 * Only the machine's own instruction set. Its older ones (32-bit x86, x32, 32-bit Arm) have calls of their own that pass
 * arguments in memory, where no filter reads them: 32-bit x86 makes sockets of every family through socketcall. A process
 * that makes such a call is killed.
 */
const architectures = ['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64'];

function words(text: string): readonly string[] {
  return text.split(/\s+/);
}

function conditionalRules(): readonly ProfileRule[] {
  return Object.entries(conditionalCalls).flatMap(([name, choices]) =>
    choices.map(
      (conditions): ProfileRule => ({
        names: [name],
        action: 'SCMP_ACT_ALLOW',
        args: conditions.map(({ index, mask, equals }) => ({
          index,
          op: 'SCMP_CMP_MASKED_EQ',
          value: mask,
          valueTwo: equals,
        })),
      }),
    ),
  );
}

export const seccompProfile: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  // Docker before 22 passes this over and answers the same.
  defaultErrnoRet: errors.notPermitted,
  archMap: architectures.map((architecture) => ({ architecture, subArchitectures: [] })),
  syscalls: [
    { names: Object.values(allowedCalls).flatMap(words), action: 'SCMP_ACT_ALLOW' },
    ...conditionalRules(),
    { names: words(absentCalls), action: 'SCMP_ACT_ERRNO', errnoRet: errors.noSuchCall },
  ],
};

/** The option of a container that makes the engine use this profile, whatever its own default is. */
export const seccompOption = `seccomp=${JSON.stringify(seccompProfile)}`;
