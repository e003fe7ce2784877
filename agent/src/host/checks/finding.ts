import type { Device } from '@capacloud/protocol/capacity/resources';
import type { EngineExam } from '../../core/engine-facts.ts';
import type { ScratchUse } from '../../core/scratch-use.ts';
import type { AgentConfig } from '../config.ts';

/** What one check found. */
export interface Finding {
  readonly id: string;
  /** False: work would fail, so the agent takes none. */
  readonly ok: boolean;
  /** It works, and the owner should know. */
  readonly isWarning?: true;
  readonly is: string;
  readonly should: string;
  /** How to mend it; empty when all is well. */
  readonly mend: string;
}

/** What is learnt from a coordinator without a session. */
export interface Meeting {
  readonly coordinator: string;
  readonly nowMs: number;
  readonly protocol: number | undefined;
}

/** GPUs as the agent offers them, what it leaves out, and the program that tells. No driver: no GPUs. */
export interface FoundDevices {
  readonly devices: readonly Pick<Device, 'id' | 'model' | 'health'>[];
  readonly leftOut: readonly { readonly what: string; readonly why: string }[];
  readonly command: string;
}

export interface DoctorParts {
  readonly config: AgentConfig;
  readonly engine: EngineExam;
  /** What the agent would use, and whether loop devices can be used here. */
  readonly findScratch: (signal: AbortSignal) => Promise<ScratchUse & { readonly loopWorks: boolean }>;
  /** Throws what the driver says. Undefined: it was not asked yet. */
  readonly findDevices: (signal: AbortSignal) => Promise<FoundDevices | undefined>;
  /** Whether a driver is loaded, so that its silence is a fault. */
  readonly hasDriver: () => Promise<boolean>;
  /** Undefined: there is no need to, or no sense in it. */
  readonly meetCoordinator: (signal: AbortSignal) => Promise<Meeting | undefined>;
  /** Registries that the owner allows and that give no answer, each with what was in the way. */
  readonly silentRegistries: (
    signal: AbortSignal,
  ) => Promise<readonly { readonly registry: string; readonly why: string }[]>;
  /** The proxy on the way to the coordinator, without a password. */
  readonly proxy: string | undefined;
}

export type Check = (parts: DoctorParts, signal: AbortSignal) => Promise<readonly Finding[]>;

export function finding(id: string, ok: boolean, is: string, should: string, mend: string): Finding {
  return { id, ok, is, should, mend: ok ? '' : mend };
}

export function warning(id: string, is: string, should: string, mend: string): Finding {
  return { id, ok: true, isWarning: true, is, should, mend };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
