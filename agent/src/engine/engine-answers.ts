import { EngineUnavailable } from '../core/ports.ts';
import { engineStatus } from './engine-call.ts';

/** What the engine says of itself and its host. */
export interface EngineInfo {
  readonly LiveRestoreEnabled?: boolean;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly ServerVersion: string;
  readonly Runtimes?: Readonly<Record<string, unknown>>;
  /** Such as name=userns or name=seccomp,profile=default. */
  readonly SecurityOptions?: readonly string[];
  /** Its clock, in RFC 3339. */
  readonly SystemTime?: string;
  readonly DockerRootDir?: string;
}

/** The answer; undefined where the engine says that there is no such thing. */
export async function orAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (engineStatus(error) === 404) return undefined;
    throw error;
  }
}

/** An answer that has to be a list. */
export function asList<T>(answer: readonly T[]): readonly T[] {
  if (Array.isArray(answer)) return answer;
  throw new EngineUnavailable('The container engine answered with something that is no list.');
}

/** The fields that decide about an attempt; whatever else is missing shows as absent. */
export function isContainer(value: unknown): boolean {
  const { Config: config, Id: id, State: state } = (value ?? {}) as Record<string, unknown>;
  const {
    FinishedAt: finishedAt,
    Running: running,
    StartedAt: startedAt,
  } = (state ?? {}) as Record<string, unknown>;
  const isTimed = typeof startedAt === 'string' && typeof finishedAt === 'string';
  return (
    typeof id === 'string' &&
    typeof config === 'object' &&
    config !== null &&
    typeof running === 'boolean' &&
    isTimed
  );
}
