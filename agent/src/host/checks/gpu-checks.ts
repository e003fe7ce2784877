import { type Check, type FoundDevices, finding, messageOf, warning } from './finding.ts';

/** Only where a driver is: a machine without GPUs is well too. */
export const gpuCheck: Check = async ({ engine, findDevices, hasDriver }, signal) => {
  const should = 'the driver answers nvidia-smi';
  let found: FoundDevices | undefined;
  try {
    found = await findDevices(signal);
  } catch (error) {
    const mend =
      'Kernel module and user space may differ after an update: reboot, or load the module again. Look for Xid errors in dmesg.';
    return [finding('nvidia', false, messageOf(error), should, mend)];
  }
  if (found === undefined) return [];
  const { command, devices, leftOut } = found;
  const notSold = leftOut.map(({ what, why }) =>
    warning('gpu_left_out', `${what} is not offered: ${why}`, 'all GPUs are offered', 'See the reason.'),
  );
  const offered = devices.filter(({ health }) => health !== 'quarantined');
  if (devices.length === 0) {
    if (leftOut.length > 0 || !(await hasDriver())) return notSold;
    const mend = `Install the user space of the driver: ${command} was found neither in PATH nor where drivers put it.`;
    return [finding('nvidia', false, 'a driver is loaded, and no GPU is found', should, mend)];
  }
  const is = `${devices.map(({ model, health }) => `${model} (${health})`).join(', ')} by ${command}`;
  const nvidia = finding('nvidia', true, is, should, '');
  if (offered.length === 0) return [nvidia, ...notSold];
  const ids = offered.map(({ id }) => id);
  // No answer is no proof that it works, as where the toolkit hangs.
  const said = await engine.tryGpus(ids, signal).catch(messageOf);
  return [
    nvidia,
    ...notSold,
    finding(
      'gpu_containers',
      said === undefined,
      said ?? 'a container with the GPUs was started',
      'containers get the GPUs',
      'Install the NVIDIA container toolkit, run nvidia-ctk runtime configure --runtime=docker, and restart Docker.',
    ),
  ];
};
