import { maxLocalImages, parseLocalImage } from '../core/local-images.ts';
import { defaultRegistries, maxRegistries, parseRegistry } from '../core/registries.ts';
import type { Parsed, RawValue } from './setting-parsers.ts';

/** IMAGE,…, or the list of the file. */
export function localImages(raw: RawValue): Parsed {
  const images = String(raw)
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '');
  if (images.length > maxLocalImages)
    return { ok: false, message: `has more than ${maxLocalImages} entries` };
  for (const text of images) {
    const parsed = parseLocalImage(text);
    if (!parsed.ok)
      return { ok: false, message: `has ${JSON.stringify(text.slice(0, 100))}, which ${parsed.refusal}` };
  }
  return { ok: true, value: images };
}

/** HOST,…, or the list of the file. */
export function registries(raw: RawValue): Parsed {
  const hosts = String(raw)
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '');
  if (hosts.length === 0) return { ok: false, message: `must name a registry, or ${defaultRegistries}` };
  if (hosts.length > maxRegistries) return { ok: false, message: `has more than ${maxRegistries} entries` };
  for (const text of hosts) {
    const parsed = text === defaultRegistries ? { ok: true as const } : parseRegistry(text);
    if (!parsed.ok)
      return { ok: false, message: `has ${JSON.stringify(text.slice(0, 100))}, which ${parsed.refusal}` };
  }
  return { ok: true, value: hosts };
}
