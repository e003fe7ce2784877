import { join } from 'node:path';
import { encodeHex } from '@capacloud/protocol/log/bytes';
import type { Logger } from 'pino';
import type { ApiDependencies } from './api/dependencies.ts';
import { type ArtifactRoom, type ArtifactRoomParts, openArtifactRoom } from './artifacts/artifact-room.ts';
import type { ClientAddresses } from './client-addresses.ts';
import type { Config } from './config/config.ts';
import type { Engine } from './engine.ts';
import { type Gateway, type GatewayDeps, openGateway } from './gateway/gateway.ts';
import { JobSpecs } from './job-specs.ts';
import { readOrCreateSecret } from './secret-files.ts';

const dayMs = 24 * 3600_000;

type RoomConfig = Omit<
  Config,
  'host' | 'logLevel' | 'port' | 'retention' | 'ruleset' | 'snapshotEvents' | 'trustedProxies'
>;

/** What the rooms stand on. The program, the simulation and the tests bring their own. */
export interface RoomParts {
  readonly engine: Pick<Engine, 'disk' | 'questions' | 'sequencer' | 'store' | 'transparency'>;
  readonly config: RoomConfig;
  readonly version: string;
  readonly clients: ClientAddresses;
  readonly logger: Logger;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Cryptographically secure bytes. */
  readonly randomBytes: (length: number) => Uint8Array;
  readonly heapShare?: GatewayDeps['heapShare'];
  readonly diskSpace?: ArtifactRoomParts['diskSpace'];
}

export interface Rooms {
  readonly gateway: Gateway;
  readonly artifacts: ArtifactRoom;
  /** What the API of these rooms stands on. */
  readonly api: ApiDependencies;
}

/** Opens gateway and artifacts, and puts together what the API needs. The one composition of a coordinator. */
export async function openRooms(parts: RoomParts): Promise<Rooms> {
  const specs = new JobSpecs(parts.engine.store.reads);
  const gateway = await openGateway(gatewayDeps(parts, specs));
  const artifacts = await openArtifactRoom(artifactParts(parts, specs));
  return { gateway, artifacts, api: apiDependencies(parts, specs, { gateway, artifacts }) };
}

function gatewayDeps(parts: RoomParts, specs: JobSpecs): GatewayDeps {
  const { clients, config, engine, heapShare, logger, now } = parts;
  return {
    submitter: engine.sequencer,
    committed: engine.sequencer,
    questions: engine.questions,
    specs,
    clients,
    store: engine.store.reads,
    artifacts: engine.store.artifacts,
    logger,
    coordinator: config.name,
    chainId: config.chainId,
    nonceSecret: secretIn(parts, 'nonce.secret'),
    maxFileBytes: config.maxArtifactBytes,
    limits: config.joins,
    ...(heapShare === undefined ? {} : { heapShare }),
    now,
  };
}

function artifactParts(
  { config, diskSpace, engine, logger, now }: RoomParts,
  specs: JobSpecs,
): ArtifactRoomParts {
  return {
    dataDir: config.dataDir,
    submitter: engine.sequencer,
    committed: engine.sequencer,
    questions: engine.questions,
    log: engine.store.log,
    store: engine.store.reads,
    specs,
    index: engine.store.artifacts,
    rows: engine.store.rows,
    disk: engine.disk,
    limits: {
      maxArtifactBytes: config.maxArtifactBytes,
      accountBytes: config.accountArtifactBytes,
      totalBytes: config.totalArtifactBytes,
    },
    diskSpace,
    logRetentionMs: config.logDays * dayMs,
    jobLogBytes: config.jobLogBytes,
    now,
    logger,
  };
}

function apiDependencies(
  parts: RoomParts,
  specs: JobSpecs,
  { artifacts, gateway }: Pick<Rooms, 'artifacts' | 'gateway'>,
): ApiDependencies {
  const { clients, config, engine, now, randomBytes, version } = parts;
  return {
    settings: {
      name: config.name,
      version,
      chainId: config.chainId,
      usdPerCapa: config.usdPerCapa,
      defaultMaxRateNano: config.defaultMaxRateNano,
      maxArtifactBytes: config.maxArtifactBytes,
      accountBytes: config.accountArtifactBytes,
      corsOrigins: config.corsOrigins,
      rates: config.rates,
    },
    clients,
    submitter: engine.sequencer,
    committed: engine.sequencer,
    questions: engine.questions,
    digest: () => engine.sequencer.digest(),
    store: engine.store.reads,
    specs,
    artifactIndex: engine.store.artifacts,
    artifacts: artifacts.artifacts,
    owned: artifacts.owned,
    storeState: artifacts.storeState,
    disk: engine.disk,
    logs: artifacts.logs,
    sessions: gateway.tokens,
    live: gateway.activity,
    transparency: engine.transparency,
    imageSecret: secretIn(parts, 'image.secret'),
    now,
    randomBytes,
  };
}

function secretIn({ config, randomBytes }: RoomParts, name: string): string {
  return readOrCreateSecret(join(config.dataDir, name), () => encodeHex(randomBytes(32)));
}
