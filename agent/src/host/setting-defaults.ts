import { standardAsk } from '@capacloud/protocol/capacity/resources';
import { formatNano } from '@capacloud/protocol/units';
import { defaultRegistries } from '../core/registries.ts';
import type { RawValue } from './setting-parsers.ts';

const capaText = (amountNano: string): string => formatNano(BigInt(amountNano));

/** Of the settings that have one which does not depend on others, as an owner would write them. */
export const defaults: Readonly<Record<string, RawValue>> = {
  state_dir: '/var/lib/capacloud-agent',
  docker_socket: '/var/run/docker.sock',
  'resources.cpu': '100%',
  'resources.memory': '75%',
  'resources.disk': '50%',
  'resources.images': '25%',
  'ask.cpu_hour': capaText(standardAsk.cpuHourNano),
  'ask.memory_gib_hour': capaText(standardAsk.memoryGibHourNano),
  'ask.disk_gib_hour': capaText(standardAsk.diskGibHourNano),
  'ask.device_hour': capaText(standardAsk.deviceHourNano),
  allow_root: false,
  share_devices: false,
  registries: defaultRegistries,
  scratch: 'auto',
  log_level: 'info',
};
