import type { Logger } from 'pino';
import { createApi } from './api/api.ts';
import { connectionsOf } from './api/connection-guard.ts';
import { ClientAddresses } from './client-addresses.ts';
import type { Config } from './config/config.ts';
import { type Engine, openEngine } from './engine.ts';
import type { StateMachine } from './log/state-machine.ts';
import { openFilesLimit } from './open-files-limit.ts';
import { ensureOperatorKey } from './operator-key.ts';
import { pooledRandomBytes } from './random-bytes.ts';
import { startRetention } from './retention.ts';
import { openRooms } from './rooms.ts';
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
  const { sequencer, store } = engine;
  const keyPath = await ensureOperatorKey(config.dataDir, sequencer, store.reads, now());
  if (keyPath !== undefined) logger.info({ path: keyPath }, 'the operator key was written');
  const clients = clientAddresses(config, logger);
  const randomBytes = pooledRandomBytes;
  const rooms = await openRooms({ engine, config, version, clients, logger, now, randomBytes });
  const { artifacts, gateway } = rooms;
  const connectionBounds = { connections: connectionsOf(openFilesLimit()) };
  const api = createApi({ ...rooms.api, connectionBounds }, logger);
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
      await artifacts.close();
      await engine.close();
    },
  };
}

function clientAddresses({ trustedProxies }: Config, logger: Logger): ClientAddresses {
  return new ClientAddresses(trustedProxies, (peer) =>
    logger.warn(
      { peer },
      'a proxy header was ignored, because its sender is not in trusted_proxies; if it is your reverse proxy, add it, or all its clients share the limits of one address',
    ),
  );
}
