import { type Contention, dimensionRows, rowOfShortage, type Shortage } from '../capacity/dimensions.ts';

/** What stands between a task and a node, as a sentence about nodes, and the wish in the job file that it is about. */
export interface ObstacleEntry {
  readonly sentence: string;
  /** Absent where nothing in the job file would help. */
  readonly pointer?: string;
  /** What the owner of the node can do, where it is not plain. */
  readonly remedy?: string;
}

const obstacle = (sentence: string, pointer?: string): ObstacleEntry =>
  pointer === undefined ? { sentence } : { sentence, pointer };

/** Of the table of dimensions, in its order. */
const shortages = Object.fromEntries(
  Object.values(rowOfShortage).map(({ shortage }) => [
    shortage.code,
    obstacle(shortage.sentence, shortage.pointer),
  ]),
) as Readonly<Record<Shortage, ObstacleEntry>>;
const contentions = Object.fromEntries(
  dimensionRows.map(({ contention }) => [contention.code, obstacle(contention.sentence)]),
) as Readonly<Record<Contention, ObstacleEntry>>;

/** Stable: codes are added, never changed. Those that begin with `busy_`, `node_backing_off` and `node_kept` pass by themselves. */
export const obstacleCatalogue = {
  node_silent: obstacle('are silent'),
  node_closed: obstacle('take no new work'),
  node_isolated: {
    sentence: 'broke the books of the coordinator and are kept out',
    remedy: 'The operator looks at the fault and reinstates the node.',
  },
  node_backing_off: {
    sentence: 'pause after attempts that failed there',
    remedy: 'The pause ends by itself; the log of the agent tells why the attempts failed.',
  },
  node_kept: obstacle('are kept free for a job that has waited long'),
  provider: obstacle('belong to providers that the job does not want', '/placement'),
  region: obstacle('are in other regions', '/placement/regions'),
  label: obstacle('have labels that do not meet the constraints', '/placement/constraints'),
  platform: {
    sentence: 'have processors that the image is not made for, as their owners say',
    remedy: 'Nothing can be done on the node: the consumer decides for which processors an image is made.',
  },
  registry: {
    sentence: 'belong to owners who do not allow the registry of the image',
    pointer: '/image',
    remedy:
      'The owner can add the registry to the setting registries of the agent; it holds for jobs that come later.',
  },
  image_size: {
    sentence: 'belong to owners who give too little room to images for this one',
    pointer: '/image',
    remedy:
      'The owner can raise the setting resources.images of the agent; it holds for jobs that come later.',
  },
  root: obstacle('allow no containers that run as root', '/user'),
  min_duration: obstacle('take no tasks with so short a timeout', '/timeout'),
  ...shortages,
  gpu_count: obstacle('have too few healthy GPUs', '/resources/gpu/count'),
  gpu_vendor: obstacle('have GPUs of other vendors', '/resources/gpu/vendor'),
  gpu_model: obstacle('have other models of GPU', '/resources/gpu/model'),
  gpu_memory: obstacle('have GPUs with less memory', '/resources/gpu/vram'),
  gpu_compute_capability: obstacle('have GPUs of an older generation', '/resources/gpu/compute_capability'),
  gpu_cuda: obstacle('have drivers for an older CUDA', '/resources/gpu/cuda'),
  gpu_share: obstacle('do not let tasks share a GPU', '/resources/gpu/share'),
  gpu_fabric: obstacle('have GPUs whose NVLink is degraded, which only take work that needs one'),
  gpu_combination: obstacle('have no GPUs with all that is asked for at once', '/resources/gpu'),
  price: obstacle('ask for more than the ceiling', '/price/max_per_hour'),
  tried: obstacle('still hold an earlier attempt of the task'),
  ...contentions,
  busy_gpu: obstacle('have their GPUs in use'),
} as const satisfies Readonly<Record<string, ObstacleEntry>>;

export type Obstacle = keyof typeof obstacleCatalogue;
export const obstacles = Object.keys(obstacleCatalogue) as readonly Obstacle[];
