/** A MIG slice as `nvidia-smi -L` lists it below its GPU. */
export interface ListedSlice {
  /** The number after `Device`: `index` of the slice in the report of `-q -x`. */
  readonly index: number;
  /** '1g.5gb', '1c.3g.20gb', '1g.10gb+me'. */
  readonly profile: string;
  /** 'MIG-GPU-<uuid>/7/0' before driver 470, 'MIG-<uuid>' since. */
  readonly uuid: string;
}
export interface ListedGpu {
  readonly index: number;
  readonly name: string;
  readonly uuid: string;
  readonly slices: readonly ListedSlice[];
}

/** As for the report: no machine has as many. */
const maxGpus = 256;
const maxSlices = 64;
/** A line is some hundred characters; what is much longer is no line of the list. */
const maxLineLength = 1000;

const gpuLine = /^GPU (\d{1,4}): (.{1,200}) \(UUID: ([A-Za-z0-9._:/-]{1,96})\)$/;
const sliceLine = /^MIG ([0-9a-z.+]{1,32})\s+Device\s+(\d{1,4}): \(UUID: ([A-Za-z0-9._:/-]{1,96})\)$/;

/**
 * Reads the standard output of `nvidia-smi -L`, of any driver. The report of `-q -x` names no slice, this list does.
 *
 * Never throws. Lines of any other form are passed over.
 */
export function parseNvidiaSmiList(text: string): readonly ListedGpu[] {
  const gpus: (ListedGpu & { readonly slices: ListedSlice[] })[] = [];
  for (const line of text.split('\n')) {
    if (line.length > maxLineLength) continue;
    const plain = line.trim();
    const [, gpuIndex, name, gpuUuid] = gpuLine.exec(plain) ?? [];
    const [, profile, sliceIndex, sliceUuid] = sliceLine.exec(plain) ?? [];
    if (name !== undefined && gpuUuid !== undefined) {
      if (gpus.length === maxGpus) break;
      gpus.push({ index: Number(gpuIndex), name, uuid: gpuUuid, slices: [] });
    } else if (profile !== undefined && sliceUuid !== undefined) {
      const slices = gpus.at(-1)?.slices;
      if (slices !== undefined && slices.length < maxSlices)
        slices.push({ index: Number(sliceIndex), profile, uuid: sliceUuid });
    }
  }
  return gpus;
}
