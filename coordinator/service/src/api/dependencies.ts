import type { ClientAddresses } from '../client-addresses.ts';
import type { JobSpecs } from '../job-specs.ts';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactStore } from '../ports/artifact-store.ts';
import type { DiskRoom } from '../ports/disk-room.ts';
import type { LiveActivity } from '../ports/live-activity.ts';
import type { OwnedArtifacts } from '../ports/owned-artifacts.ts';
import type { ApiQuestions } from '../ports/questions.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { Committed, Sequencer, Submitter } from '../ports/sequencer.ts';
import type { SessionTokens } from '../ports/session-tokens.ts';
import type { TaskLogs } from '../ports/task-logs.ts';
import type { Transparency } from '../ports/transparency.ts';
import type { ConnectionBounds } from './connection-guard.ts';
import type { RatePolicy } from './rate-limit.ts';

export interface ApiSettings {
  /** Name of the coordinator, as it stands in delegations and in the log. */
  readonly name: string;
  readonly version: string;
  readonly chainId: number;
  /** Decimal text: what one CAPA is worth. */
  readonly usdPerCapa: string;
  /** The most that the ceiling of a task's cost an hour may be for a job that names none; see price-ceilings.ts. */
  readonly defaultMaxRateNano: bigint;
  readonly maxArtifactBytes: number;
  /** Of all artifacts of one account. */
  readonly accountBytes: number;
  /** Origins that browsers may call from; none by default. */
  readonly corsOrigins: readonly string[];
  readonly rates: {
    readonly account: RatePolicy;
    /** By address, with credentials or without. */
    readonly address: RatePolicy;
    /** By address, calls without good credentials. */
    readonly anonymous: RatePolicy;
    /** By account, bytes of the specs of its jobs. */
    readonly jobBytes: RatePolicy;
  };
}

/** Everything that the API stands on. */
export interface ApiDependencies {
  readonly settings: ApiSettings;
  /** What requests without an account are counted by. */
  readonly clients: ClientAddresses;
  readonly connectionBounds?: Partial<ConnectionBounds>;
  readonly submitter: Submitter;
  readonly committed: Committed;
  readonly questions: ApiQuestions;
  /** Size of the log and hash of the state after exactly so many events. */
  readonly digest: Sequencer['digest'];
  readonly store: ReadStore;
  readonly specs: JobSpecs;
  readonly artifactIndex: ArtifactIndex;
  readonly artifacts: ArtifactStore;
  readonly owned: OwnedArtifacts;
  /** What the artifact store takes nothing for; undefined while it has room. */
  readonly storeState: () => 'full' | 'failing' | undefined;
  readonly disk: Pick<DiskRoom, 'level'>;
  readonly logs: TaskLogs;
  readonly sessions: SessionTokens;
  readonly live: LiveActivity;
  readonly transparency: Transparency;
  /** Of the fingerprints of images. */
  readonly imageSecret: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Cryptographically secure bytes. */
  readonly randomBytes: (length: number) => Uint8Array;
}
