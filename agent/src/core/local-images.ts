import {
  type ImageReference,
  imageReferenceText,
  parseImageReference,
} from '@capacloud/protocol/job/image-reference';
import type { Result } from '@capacloud/protocol/result';

/** Of one owner. */
export const maxLocalImages = 256;

/** Images of the owner's own that tasks may use: one reference, or all that begin in one way. */
export type LocalImage =
  | { readonly kind: 'reference'; readonly text: string }
  | { readonly kind: 'prefix'; readonly text: string };

/**
 * `company/app:1` is that image, `company/app:*` each tag of it, and `company/*` all of a folder of a registry. A pattern
 * names at least one part of a repository, because one that fits everything would open the owner's engine to strangers.
 */
export function parseLocalImage(text: string): Result<LocalImage, string> {
  const star = text.indexOf('*');
  if (star < 0) {
    const parsed = parseImageReference(text);
    if (!parsed.ok) return parsed;
    return { ok: true, value: { kind: 'reference', text: imageReferenceText(parsed.value) } };
  }
  const stem = text.slice(0, -2);
  const isFolder = text.endsWith('/*');
  if (star !== text.length - 1 || !(isFolder || text.endsWith(':*')))
    return {
      ok: false,
      refusal: 'may have a * only in the place of its tag or of the last part of its path',
    };
  // What the star stands for has to fit the grammar as well.
  const parsed = parseImageReference(isFolder ? `${stem}/x` : stem);
  if (!parsed.ok) return parsed;
  const { registry, repository, tag, digest } = parsed.value;
  if (tag !== undefined || digest !== undefined)
    return {
      ok: false,
      refusal: 'may have a * only in the place of its tag or of the last part of its path',
    };
  if (isFolder && !`${stem}/`.replace(`${registry}/`, '').includes('/'))
    return { ok: false, refusal: `must name more than the registry, such as ${stem}/company/*` };
  const prefix = isFolder ? `${registry}/${repository.slice(0, -1)}` : `${registry}/${repository}:`;
  return { ok: true, value: { kind: 'prefix', text: prefix } };
}

/** Those of a configuration, in which each was parsed before. */
export function readLocalImages(texts: readonly string[]): readonly LocalImage[] {
  return texts.flatMap((text) => {
    const parsed = parseLocalImage(text);
    return parsed.ok ? [parsed.value] : [];
  });
}

/** Whether the owner lets tasks use an image that is on the engine whoever brought it there. */
export function isLocalImage(images: readonly LocalImage[], reference: ImageReference): boolean {
  const meant = imageReferenceText(reference);
  return images.some(({ kind, text }) => (kind === 'reference' ? meant === text : meant.startsWith(text)));
}

/** Names of images as the agent notes them; what is no name is nothing that was pulled. */
export function referencesOf(images: readonly string[]): ReadonlySet<string> {
  return new Set(
    images.flatMap((image) => {
      const parsed = parseImageReference(image);
      return parsed.ok ? [imageReferenceText(parsed.value)] : [];
    }),
  );
}
