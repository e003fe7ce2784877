import { childOf, type Element, hasChildren } from './element.ts';
import { readCount, readFlag } from './reading.ts';
import type { Ecc, EccCounts, EccLocations, RemappedRows, RetiredPages } from './report.ts';

function sum(...counts: readonly (number | undefined)[]): number | undefined {
  const known = counts.filter((count) => count !== undefined);
  return known.length === 0 ? undefined : known.reduce((total, count) => total + count, 0);
}

function readLocations(element: Element): EccLocations | undefined {
  if (!hasChildren(element)) return undefined;
  const locations = {
    deviceMemory: readCount(element, 'device_memory'),
    registerFile: readCount(element, 'register_file'),
    l1Cache: readCount(element, 'l1_cache'),
    l2Cache: readCount(element, 'l2_cache'),
    textureMemory: readCount(element, 'texture_memory'),
    textureShm: readCount(element, 'texture_shm'),
    cbu: readCount(element, 'cbu'),
  };
  return { ...locations, total: readCount(element, 'total') ?? sum(...Object.values(locations)) };
}

function readCounts(element: Element): EccCounts {
  const sramCorrectable = readCount(element, 'sram_correctable');
  const sramUncorrectableParity = readCount(element, 'sram_uncorrectable_parity');
  const sramUncorrectableSecded = readCount(element, 'sram_uncorrectable_secded');
  const sramUncorrectable =
    readCount(element, 'sram_uncorrectable') ?? sum(sramUncorrectableParity, sramUncorrectableSecded);
  const dramCorrectable = readCount(element, 'dram_correctable');
  const dramUncorrectable = readCount(element, 'dram_uncorrectable');
  const singleBit = readLocations(childOf(element, 'single_bit'));
  const doubleBit = readLocations(childOf(element, 'double_bit'));
  return {
    sramCorrectable,
    sramUncorrectable,
    sramUncorrectableParity,
    sramUncorrectableSecded,
    sramThresholdExceeded: readFlag(element, 'sram_threshold_exceeded'),
    dramCorrectable,
    dramUncorrectable,
    singleBit,
    doubleBit,
    correctable: sum(sramCorrectable, dramCorrectable, singleBit?.total),
    uncorrectable: sum(sramUncorrectable, dramUncorrectable, doubleBit?.total),
  };
}

export function readEcc(gpu: Element): Ecc {
  return {
    enabled: readFlag(gpu, 'ecc_mode', 'current_ecc'),
    enabledPending: readFlag(gpu, 'ecc_mode', 'pending_ecc'),
    volatile: readCounts(childOf(gpu, 'ecc_errors', 'volatile')),
    aggregate: readCounts(childOf(gpu, 'ecc_errors', 'aggregate')),
  };
}

export function readRetiredPages(gpu: Element): RetiredPages {
  const pages = childOf(gpu, 'retired_pages');
  const flags = [readFlag(pages, 'pending_retirement'), readFlag(pages, 'pending_blacklist')];
  const known = flags.filter((flag) => flag !== undefined);
  return {
    singleBitCount: readCount(pages, 'multiple_single_bit_retirement', 'retired_count'),
    doubleBitCount: readCount(pages, 'double_bit_retirement', 'retired_count'),
    pending: known.length === 0 ? undefined : known.includes(true),
  };
}

export function readRemappedRows(gpu: Element): RemappedRows | undefined {
  const rows = childOf(gpu, 'remapped_rows');
  if (!hasChildren(rows)) return undefined;
  const histogram = childOf(rows, 'row_remapper_histogram');
  return {
    correctable: readCount(rows, 'remapped_row_corr'),
    uncorrectable: readCount(rows, 'remapped_row_unc'),
    pending: readFlag(rows, 'remapped_row_pending'),
    failure: readFlag(rows, 'remapped_row_failure'),
    banks: {
      max: readCount(histogram, 'row_remapper_histogram_max'),
      high: readCount(histogram, 'row_remapper_histogram_high'),
      partial: readCount(histogram, 'row_remapper_histogram_partial'),
      low: readCount(histogram, 'row_remapper_histogram_low'),
      none: readCount(histogram, 'row_remapper_histogram_none'),
    },
  };
}
