import { acceptedFlaws } from './flaws-setting.ts';
import { localImages, registries } from './image-settings.ts';
import { labels } from './labels-setting.ts';
import {
  absolutePath,
  address,
  choice,
  cpuShare,
  duration,
  flag,
  type Parsed,
  percent,
  price,
  type RawValue,
  region,
  sizeShare,
  text,
  timeZone,
  webSocketUrl,
  wholeNumber,
} from './setting-parsers.ts';
import { uidRange } from './uid-setting.ts';

export interface Setting {
  /** Path in the file: resources.cpu. */
  readonly key: string;
  readonly help: string;
  /** What the owner may write; the flag shows it. */
  readonly shape: string;
  readonly parse: (raw: RawValue) => Parsed;
  /** The file holds a map, which is parsed as its JSON. */
  readonly isMap?: true;
  /** The file holds a list of texts, which are joined with commas. */
  readonly isList?: true;
}

/** Every setting there is. The file, the environment and the flags all come from this list. */
export const settings = [
  { key: 'coordinator', shape: 'url', help: 'WebSocket URL of the coordinator', parse: webSocketUrl },
  {
    key: 'coordinator_name',
    shape: 'name',
    help: 'the only name that the coordinator may give itself (default: the one it had at first)',
    parse: text,
  },
  { key: 'state_dir', shape: 'dir', help: 'folder for the journal, logs and caches', parse: absolutePath },
  {
    key: 'key_file',
    shape: 'file',
    help: 'private key of the node (default: node.key in the state folder)',
    parse: absolutePath,
  },
  {
    key: 'provider',
    shape: 'address',
    help: 'wallet address that is paid (default: that of the key)',
    parse: address,
  },
  {
    key: 'ca_file',
    shape: 'file',
    help: 'certificates (PEM) to trust beside those of the system, for a coordinator or proxy with a CA of its own',
    parse: absolutePath,
  },
  { key: 'docker_socket', shape: 'file', help: 'socket of the Docker engine', parse: absolutePath },
  { key: 'resources.cpu', shape: 'n', help: 'processors to offer: 4, 500m or 50%', parse: cpuShare },
  { key: 'resources.memory', shape: 'size', help: 'memory to offer: 16Gi or 50%', parse: sizeShare },
  {
    key: 'resources.disk',
    shape: 'size',
    help: 'scratch disk to offer: 100Gi, or a share of what is free; of half of the memory where scratch is memory',
    parse: sizeShare,
  },
  {
    key: 'resources.images',
    shape: 'size',
    help: 'room for images that the agent pulls, on the disk of Docker: 100Gi, or a share of what is free',
    parse: sizeShare,
  },
  { key: 'resources.slots', shape: 'n', help: 'containers at once', parse: wholeNumber(1, 1024) },
  { key: 'ask.cpu_hour', shape: 'capa', help: 'price of a processor for an hour', parse: price },
  { key: 'ask.memory_gib_hour', shape: 'capa', help: 'price of a GiB of memory for an hour', parse: price },
  { key: 'ask.disk_gib_hour', shape: 'capa', help: 'price of a GiB of disk for an hour', parse: price },
  { key: 'ask.device_hour', shape: 'capa', help: 'price of a GPU for an hour', parse: price },
  {
    key: 'ask.interruptible_discount',
    shape: 'percent',
    help: 'sell to interruptible tasks for so much less, such as 40%; they stop for those that pay in full',
    parse: percent(1, 95),
  },
  { key: 'region', shape: 'name', help: 'where the machine is, such as eu-central', parse: region },
  {
    key: 'labels',
    shape: 'k=v,…',
    help: 'words of your own that jobs may ask for, such as tier=gold',
    parse: labels,
    isMap: true,
  },
  {
    key: 'ask.time_zone',
    shape: 'zone',
    help: 'time zone of ask.schedule (default: that of the machine)',
    parse: timeZone,
  },
  {
    key: 'min_run',
    shape: 'duration',
    help: 'take no tasks whose timeout is shorter, such as 10m',
    parse: duration,
  },
  {
    key: 'registries',
    shape: 'host,…',
    help: 'registries that images may come from: default (the public ones), HOST, HOST:PORT, *.DOMAIN, * (any public one)',
    parse: registries,
    isList: true,
  },
  {
    key: 'local_images',
    shape: 'image,…',
    help: 'images on the engine that tasks may use although the agent did not pull them: company/app:1, company/*',
    parse: localImages,
    isList: true,
  },
  { key: 'allow_root', shape: 'bool', help: 'take images that run as root', parse: flag },
  {
    key: 'task_uids',
    shape: 'first-last',
    help: 'user ids to give to containers, each its own (default: 2048 of those that no system uses)',
    parse: uidRange,
  },
  {
    key: 'accepted_flaws',
    shape: 'CVE,…',
    help: 'flaws of Docker or runc that your distribution mended under an older number',
    parse: acceptedFlaws,
    isList: true,
  },
  { key: 'share_devices', shape: 'bool', help: 'let several tasks share a GPU', parse: flag },
  {
    key: 'scratch',
    shape: 'kind',
    help: 'where scratch lives: auto, memory or loop',
    parse: choice('auto', 'memory', 'loop'),
  },
  {
    key: 'log_level',
    shape: 'level',
    help: 'debug, info, warn or error',
    parse: choice('debug', 'info', 'warn', 'error'),
  },
  {
    key: 'status_socket',
    shape: 'file',
    help: 'socket that status talks to (default: agent.sock in the state folder)',
    parse: absolutePath,
  },
] as const satisfies readonly Setting[];
