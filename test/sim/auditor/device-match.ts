import type { Device, DeviceRequest, Resources } from './entry.ts';

function versionAtLeast(have: string | undefined, wanted: string): boolean {
  if (have === undefined) return false;
  const [major = 0, minor = 0] = have.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  return major === wantedMajor ? minor >= wantedMinor : major > wantedMajor;
}

/** `name` or `name@GiB`, of which an eighth may be lacking. What follows the name may not make another device of it. */
function isNamed({ memoryBytes, model }: Device, wanted: string): boolean {
  const [name = '', leastGib = '0'] = wanted.split('@');
  if (!`${model}-`.startsWith(`${name}-`)) return false;
  const rest = `${model.slice(name.length)}-`;
  const isOther = ['mig', 'laptop', 'mobile', 'notebook', 'max-q'].some((word) => rest.includes(`-${word}-`));
  return !isOther && memoryBytes * 8 >= Number(leastGib) * 2 ** 30 * 7;
}

/** Whether a device is what was asked for: healthy, and no less than each wish. */
export function isWhatWasAsked(device: Device, wish: DeviceRequest): boolean {
  const models = wish.models ?? [];
  return (
    device.health === 'healthy' &&
    (wish.shareMilli === undefined || device.shareable === true) &&
    (wish.vendor === undefined || wish.vendor === device.vendor) &&
    (models.length === 0 || models.some((model) => isNamed(device, model))) &&
    (wish.fabric === undefined || device.fabric !== 'degraded') &&
    // A sixty-fourth may be the driver's own.
    device.memoryBytes * 64 >= (wish.memoryBytes ?? 0) * 63 &&
    (wish.computeCapability === undefined ||
      versionAtLeast(device.computeCapability, wish.computeCapability)) &&
    (wish.cuda === undefined || versionAtLeast(device.cuda, wish.cuda))
  );
}

/** Thousandths that a task takes of each device it is given; none where its job is not known any more. */
export function milliOf(resources: Resources | undefined): number {
  if (resources?.devices === undefined) return 0;
  return resources.devices.shareMilli ?? 1000;
}
