import { accept } from '@capacloud/protocol/result';
import { protocolVersions } from '@capacloud/protocol/wire/protocol-versions';
import type { ApiDependencies } from './dependencies.ts';
import type { Handlers } from './handler.ts';
import { openApiDocument } from './openapi.ts';

export function serviceHandlers(
  deps: ApiDependencies,
): Handlers<'getHealth' | 'getReady' | 'getInfo' | 'getOpenApi'> {
  const { questions, settings, transparency } = deps;
  const document = openApiDocument(settings.version);
  return {
    getHealth: async () => {
      const state = deps.storeState();
      const { level } = deps.disk;
      const { isolated, isPaused } = await questions.health();
      return accept({
        status: 'ok',
        ...(state === undefined ? {} : { artifact_store: state }),
        ...(isPaused ? { mode: 'safe' } : {}),
        ...(isolated === 0 ? {} : { isolated }),
        ...(level === 'ample' ? {} : { disk: level }),
      });
    },
    getReady: () => accept({ status: 'ready' }),
    getInfo: async () => {
      const { feeBasisPoints, maxTasksPerJob } = await questions.ruleset();
      return accept({
        name: settings.name,
        version: settings.version,
        chain_id: settings.chainId,
        protocols: [...protocolVersions],
        log_key: transparency.vkey,
        usd_per_capa: settings.usdPerCapa,
        fee_basis_points: feeBasisPoints,
        max_tasks_per_job: maxTasksPerJob,
        max_artifact_bytes: settings.maxArtifactBytes,
        default_max_rate_nano: `${settings.defaultMaxRateNano}`,
      });
    },
    getOpenApi: () => accept(document),
  };
}
