/** Fields of Compose files, Kubernetes manifests and batch systems, and what stands for them in a job file. */
const foreign: Readonly<Record<string, string>> = {
  environment: 'env',
  envs: 'env',
  variables: 'env',
  cpus: 'resources.cpu',
  vcpu: 'resources.cpu',
  vcpus: 'resources.cpu',
  cores: 'resources.cpu',
  mem: 'resources.memory',
  mem_limit: 'resources.memory',
  mem_reservation: 'resources.memory',
  ram: 'resources.memory',
  storage: 'resources.disk',
  disk_size: 'resources.disk',
  ephemeral_storage: 'resources.disk',
  gpus: 'resources.gpu',
  gpu_count: 'resources.gpu',
  accelerator: 'resources.gpu',
  accelerators: 'resources.gpu',
  gpu_type: 'resources.gpu',
  'nvidia.com/gpu': 'resources.gpu',
  shm: 'resources.shm_size',
  args: 'command',
  cmd: 'command',
  run: 'command',
  script: 'command',
  workdir: 'working_dir',
  cwd: 'working_dir',
  count: 'replicas',
  parallelism: 'replicas',
  completions: 'replicas',
  scale: 'replicas',
  restart: 'retry',
  restart_policy: 'retry',
  retries: 'retry.max_attempts',
  backoff_limit: 'retry.max_attempts',
  network_mode: 'network.mode',
  max_price: 'price.max_per_hour',
  budget: 'price.max_total',
  walltime: 'timeout',
  time_limit: 'timeout',
  max_runtime: 'timeout',
  active_deadline_seconds: 'timeout',
  termination_grace_period_seconds: 'stop_grace_period',
  region: 'placement.regions',
  node_selector: 'placement.constraints',
  affinity: 'placement.constraints',
  provider: 'placement.providers',
  container_image: 'image',
  docker_image: 'image',
  spot: 'interruptible',
  preemptible: 'interruptible',
  artifacts: 'outputs',
};

/** Fields for which nothing stands, and what to do instead. */
const advice: Readonly<Record<string, string>> = {
  volumes: 'has nothing like it: name files to bring in under inputs, and folders to keep under outputs',
  volume_mounts:
    'has nothing like it: name files to bring in under inputs, and folders to keep under outputs',
  mounts: 'has nothing like it: name files to bring in under inputs, and folders to keep under outputs',
  services: 'belongs to Compose: a job file describes one container, with image and command at the top',
  containers: 'belongs to Kubernetes: a job file describes one container, with image and command at the top',
  spec: 'belongs to Kubernetes: the fields of a job file stand at the top',
  metadata: 'belongs to Kubernetes: write name and labels at the top',
  api_version: 'belongs to Kubernetes: a job file begins with version: "1"',
  kind: 'belongs to Kubernetes: a job file begins with version: "1"',
  deploy: 'belongs to Compose: write resources, replicas and placement at the top',
  build: 'is not done here: build the image, push it to a registry and name it under image',
  env_file: 'is not read here: write the variables under env',
  limits: 'is not needed: what resources ask for is also the limit, so write the fields of limits here',
  requests: 'is not needed: what resources ask for is also the limit, so write the fields of requests here',
  depends_on: 'has nothing like it: submit the job that comes after when this one has succeeded',
  privileged: "cannot be asked for: containers run without privileges on strangers' machines",
  cap_add: "cannot be asked for: containers run without capabilities on strangers' machines",
  devices: 'cannot be asked for by path: ask for GPUs with resources.gpu',
  runtime: "is the agent's business: ask for GPUs with resources.gpu",
  image_pull_secrets: 'is not supported yet: images are pulled without credentials',
  jobs: 'belongs to a pipeline: a job file describes one container, with image and command at the top',
  steps: 'belongs to a pipeline: write what the container runs under command',
  stages: 'belongs to a pipeline: a job file describes one container, with image and command at the top',
  tasks: 'belongs to a pipeline: write replicas for tasks that are alike, and a file for each other job',
  on: 'belongs to a pipeline: a job starts when it is submitted',
  networks: 'has nothing like it: containers have no network',
  hostname: 'cannot be set: remove it',
  container_name: 'cannot be set: use name for the job',
  tmpfs: 'is not needed: /tmp can be written to, and resources.shm_size is the size of /dev/shm',
};

/** Fields of a GPU. */
const ofGpu: Readonly<Record<string, string>> = {
  type: 'model',
  name: 'model',
  kind: 'model',
  class: 'model',
  product: 'model',
  models: 'model',
  memory: 'vram',
  mem: 'vram',
  gpu_memory: 'vram',
  vram_gb: 'vram',
  min_vram: 'vram',
  quantity: 'count',
  number: 'count',
  num: 'count',
  amount: 'count',
  gpus: 'count',
  fraction: 'share',
  cuda_version: 'cuda',
  driver: 'vendor',
};

/** To be read after the pointer of a field that is not known; undefined for one that no other language has either. */
export function foreignField(pointer: string, key: string): string | undefined {
  const name = key
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll('-', '_');
  const gpuField = pointer.startsWith('/resources/gpu/') ? property(ofGpu, name) : undefined;
  if (gpuField !== undefined) return `is not a known field; did you mean ${gpuField}?`;
  // Not the keys of others: env, labels and what begins with x-.
  if (pointer.split('/').length > 3) return undefined;
  const own = property(foreign, name) ?? property(foreign, key.toLowerCase());
  const here = pointer.startsWith('/resources/') ? 'resources.' : '';
  if (own !== undefined && (here === '' || own.startsWith(here)))
    return `is not a known field; did you mean ${own.slice(here.length)}?`;
  return property(advice, name);
}

function property(table: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
