import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { createApi } from './api/api.ts';
import { connectionsOf } from './api/connection-guard.ts';
import type { ApiSettings } from './api/dependencies.ts';
import { type ArtifactRoom, openArtifactRoom } from './artifacts/artifact-room.ts';
import { ClientAddresses } from './client-addresses.ts';
import type { Config } from './config/config.ts';
import { type Engine, openEngine } from './engine.ts';
import { createGateway, type Gateway } from './gateway/gateway.ts';
import { JobSpecs } from './job-specs.ts';
import type { StateMachine } from './log/state-machine.ts';
import { openFilesLimit } from './open-files-limit.ts';
import { ensureOperatorKey } from './operator-key.ts';
import { pooledRandomBytes } from './random-bytes.ts';
import { startRetention } from './retention.ts';
import { readOrCreateSecret } from './secret-files.ts';
import { SteadyClock } from './steady-clock.ts';

/** For the last requests and sessions to end by themselves when the coordinator stops. */
const graceMs = 10_000;

/**
 * Connections that the kernel holds until we take them. After a restart every agent comes at once, and one that finds no room
 * (511 by default) tries again only after a second. The kernel bounds it further (`net.core.somaxconn`).
 */
const backlog = 4096;

export interface Coordinator {
  /** http://HOST:PORT */
  readonly url: string;
  /** Ends in order: no new work, sessions told, everything durable, a snapshot. */
  stop(): Promise<void>;
}

export interface CoordinatorParts {
  readonly config: Config;
  readonly version: string;
  readonly logger: Logger;
  readonly onFatal: (error: Error) => void;
  readonly signal: AbortSignal;
  /** A test may put a fault into it. */
  readonly machine?: StateMachine;
}

/** Puts the rooms together. Throws DataError when the data folder cannot be used, and what listening throws. */
export async function startCoordinator(parts: CoordinatorParts): Promise<Coordinator> {
  const clock = new SteadyClock();
  const engine = await openEngine({
    ...parts,
    now: clock.now,
    onReplayed: (newestAt) => clock.notBefore(newestAt),
  });
  try {
    return await compose(parts, engine, clock.now);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function compose(
  { config, version, logger }: CoordinatorParts,
  engine: Engine,
  now: () => number,
): Promise<Coordinator> {
  const { store, sequencer, transparency } = engine;
  const keyPath = await ensureOperatorKey(config.dataDir, sequencer, store.reads, now());
  if (keyPath !== undefined) logger.info({ path: keyPath }, 'the operator key was written');
  const specs = new JobSpecs(store.reads);
  const clients = clientAddresses(config, logger);
  const gateway = openGateway(config, engine, specs, clients, logger, now);
  const room = await openRoom(config, engine, specs, logger, now);
  const api = createApi(
    {
      settings: apiSettings(config, version),
      clients,
      connectionBounds: { connections: connectionsOf(openFilesLimit()) },
      sequencer,
      store: store.reads,
      specs,
      artifactIndex: store.artifacts,
      artifacts: room.artifacts,
      owned: room.owned,
      storeState: room.storeState,
      disk: engine.disk,
      logs: room.logs,
      sessions: gateway.tokens,
      live: gateway.activity,
      transparency,
      imageSecret: secretIn(config, 'image.secret'),
      now,
      randomBytes: pooledRandomBytes,
    },
    logger,
  );
  api.app.server.on('upgrade', (_, socket) => api.connections.handOver(socket));
  gateway.attach(api.app.server);
  const url = await api.app.listen({ host: config.host, port: config.port, backlog });
  const stopRetention = startRetention({ rows: store.rows, days: config.retention, now, logger });
  engine.startClock(() => gateway.heard());
  return {
    url,
    async stop() {
      const grace = AbortSignal.timeout(graceMs);
      api.drain();
      const closed = api.app.close();
      await gateway.drain(grace);
      grace.addEventListener('abort', () => api.app.server.closeAllConnections(), { once: true });
      if (grace.aborted) api.app.server.closeAllConnections();
      await closed;
      await stopRetention();
      await room.close();
      await engine.close();
    },
  };
}

function openGateway(
  config: Config,
  { store, sequencer }: Engine,
  specs: JobSpecs,
  clients: ClientAddresses,
  logger: Logger,
  now: () => number,
): Gateway {
  return createGateway({
    sequencer,
    specs,
    clients,
    store: store.reads,
    artifacts: store.artifacts,
    logger,
    coordinator: config.name,
    chainId: config.chainId,
    nonceSecret: secretIn(config, 'nonce.secret'),
    maxFileBytes: config.maxArtifactBytes,
    limits: config.joins,
    now,
  });
}

function clientAddresses({ trustedProxies }: Config, logger: Logger): ClientAddresses {
  return new ClientAddresses(trustedProxies, (peer) =>
    logger.warn(
      { peer },
      'a proxy header was ignored, because its sender is not in trusted_proxies; if it is your reverse proxy, add it, or all its clients share the limits of one address',
    ),
  );
}

function openRoom(
  config: Config,
  { disk, sequencer, store }: Engine,
  specs: JobSpecs,
  logger: Logger,
  now: () => number,
): Promise<ArtifactRoom> {
  return openArtifactRoom({
    dataDir: config.dataDir,
    sequencer,
    log: store.log,
    store: store.reads,
    specs,
    index: store.artifacts,
    rows: store.rows,
    disk,
    limits: {
      maxArtifactBytes: config.maxArtifactBytes,
      accountBytes: config.accountArtifactBytes,
      totalBytes: config.totalArtifactBytes,
    },
    logRetentionMs: config.logDays * 24 * 3600_000,
    jobLogBytes: config.jobLogBytes,
    now,
    logger,
  });
}

function secretIn({ dataDir }: Config, name: string): string {
  return readOrCreateSecret(join(dataDir, name), () => randomBytes(32).toString('hex'));
}

function apiSettings(config: Config, version: string): ApiSettings {
  return {
    name: config.name,
    version,
    chainId: config.chainId,
    usdPerCapa: config.usdPerCapa,
    defaultMaxRateNano: config.defaultMaxRateNano,
    maxArtifactBytes: config.maxArtifactBytes,
    accountBytes: config.accountArtifactBytes,
    corsOrigins: config.corsOrigins,
    rates: config.rates,
  };
}
