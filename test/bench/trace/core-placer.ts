import type { Offer, Resources } from '@capacloud/protocol/capacity/resources';
import { BareCore } from '../bare-core.ts';
import type { TracePlacer } from './experiment.ts';
import type { TraceNode, TraceTask } from './trace-file.ts';

const mebibyte = 2 ** 20;
const noCeiling = 10n ** 18n;

/** The project's own scheduler. */
export function corePlacer(nodes: readonly TraceNode[]): TracePlacer {
  const core = new BareCore(nodes.map(offerOf));
  return { place: (task) => core.place(resourcesOf(task), noCeiling) !== undefined };
}

/** All ask the same, so that only the packing decides. */
function offerOf({ cpuMilli, memoryMib, gpus, model }: TraceNode, index: number): Offer {
  return {
    cpuMilli,
    memoryBytes: memoryMib * mebibyte,
    diskBytes: 0,
    slots: 1024,
    devices: Array.from({ length: gpus }, (_, gpu) => ({
      id: `GPU-${index}-${gpu}`,
      vendor: 'nvidia' as const,
      model,
      memoryBytes: 2 ** 34,
      health: 'healthy' as const,
      shareable: true,
    })),
    arch: 'amd64',
    allowRoot: false,
    ask: { cpuHourNano: '0', memoryGibHourNano: '0', diskGibHourNano: '0', deviceHourNano: '1000000000' },
  };
}

function resourcesOf({ cpuMilli, memoryMib, gpus, gpuMilli, models }: TraceTask): Resources {
  const devices = {
    count: gpus,
    ...(models.length === 0 ? {} : { models: [...models] }),
    ...(gpus === 1 && gpuMilli < 1000 ? { shareMilli: gpuMilli } : {}),
  };
  return {
    cpuMilli,
    memoryBytes: memoryMib * mebibyte,
    diskBytes: 0,
    shmBytes: 0,
    ...(gpus === 0 ? {} : { devices }),
  };
}
