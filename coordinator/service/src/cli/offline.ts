import { existsSync } from 'node:fs';
import type { Command } from '@capacloud/core/contract/command';
import type { Subject } from '@capacloud/core/contract/subject';
import type { State } from '@capacloud/core/state';
import { isAccountId, isJobId, isNodeId } from '@capacloud/protocol/ids';
import { pino } from 'pino';
import type { Config } from '../config/config.ts';
import { type Engine, openEngine } from '../engine.ts';
import { SteadyClock } from '../steady-clock.ts';
import { DataError } from '../store/data-error.ts';
import { databasePath } from '../store/open-database.ts';
import { CommandRefused } from './failure.ts';

export const offlineVerbs = {
  drain: 'let a node end: nothing new is placed there',
  cancel: 'end all tasks of a job',
  reinstate: 'place and take again what was isolated: a node, a job or an account',
} as const;
export type OfflineVerb = keyof typeof offlineVerbs;

/**
 * A verb of the operator for a coordinator that is stopped, through the same core and into the same log. Throws CommandRefused,
 * and DataError where the folder is in use.
 */
export async function changeOffline(config: Config, verb: OfflineVerb, id: string): Promise<object> {
  return withEngine(config, async ({ sequencer, transparency }, now) => {
    const outcome = await sequencer.submit(commandOf(sequencer.state, verb, id, now()));
    if (!outcome.ok) throw new CommandRefused(outcome.refusal);
    // Signed, as what the running coordinator writes.
    await transparency.checkpoint();
    return { [verb]: id, events: outcome.events.map(({ event }) => event.type) };
  });
}

/** What is isolated, and why. */
export async function listIsolated(config: Config): Promise<object> {
  return withEngine(config, ({ sequencer: { state } }) =>
    Promise.resolve({
      isolated: Array.from(state.isolated, ([subject, { at, cause, stops }]) => ({
        subject,
        since: new Date(at).toISOString(),
        cause,
        stops,
      })),
    }),
  );
}

function commandOf(state: State, verb: OfflineVerb, id: string, at: number): Command {
  switch (verb) {
    case 'drain':
      if (!isNodeId(id)) throw unknown(id, 'the id of a node');
      return { type: 'node.direct', at, node: id, to: 'drain' };
    case 'cancel': {
      const job = isJobId(id) ? state.jobs.get(id) : undefined;
      if (job === undefined) throw unknown(id, 'the id of a job that has not ended');
      return { type: 'job.cancel', at, job: job.id, consumer: job.consumer, isForced: true };
    }
    case 'reinstate':
      if (!isNodeId(id) && !isJobId(id) && !isAccountId(id))
        throw unknown(id, 'the id of a node, a job or an account');
      return { type: 'subject.reinstate', at, subject: id satisfies Subject };
  }
}

function unknown(id: string, what: string): CommandRefused {
  return new CommandRefused({
    code: 'request.not_found',
    message: `${id.slice(0, 100)} is not ${what}.`,
    hint: 'capacloud-coordinator isolated lists what is isolated.',
  });
}

/** Nothing is placed, no clock runs, and the rules stay those of the log. */
async function withEngine(
  config: Config,
  use: (engine: Engine, now: () => number) => Promise<object>,
): Promise<object> {
  if (!existsSync(databasePath(config.dataDir))) throw noLog(config.dataDir);
  const clock = new SteadyClock();
  const fault = Promise.withResolvers<never>();
  fault.promise.catch(() => {});
  let isSound = true;
  const engine = await openEngine({
    config,
    logger: pino({ level: 'silent' }),
    now: clock.now,
    onReplayed: (newestAt) => clock.notBefore(newestAt),
    signal: AbortSignal.any([]),
    isOffline: true,
    onFatal: (error) => {
      isSound = false;
      fault.reject(error);
    },
  });
  try {
    if (engine.sequencer.state.origin === '') throw noLog(config.dataDir);
    return await Promise.race([use(engine, clock.now), fault.promise]);
  } finally {
    if (isSound) await engine.close();
  }
}

/** A verb begins no log: with a path that is wrong, an empty one would say that nothing is isolated. */
function noLog(dataDir: string): DataError {
  return new DataError('log.unavailable', `${dataDir} holds no log of a coordinator.`, {
    hint: 'Point data_dir to the folder of the coordinator that is stopped.',
  });
}
