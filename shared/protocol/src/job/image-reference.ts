import { accept, type Result } from '../result.ts';
import { imageMistake, isImageId, isWebPage } from './image-mistakes.ts';

/** What a job calls its image: where it lives, and which version of it is meant. */
export interface ImageReference {
  /** Host, with a port where one is named; docker.io where the text names none. */
  readonly registry: string;
  /** Path in the registry, such as library/ubuntu. */
  readonly repository: string;
  readonly tag?: string;
  /** Decides before the tag where both are there. */
  readonly digest?: string;
}

/** Of registry and repository together; common registries and engines refuse more. */
export const maxImageName = 255;

// The grammar is that of github.com/distribution/reference, which engines and registries share. It differs in three
// places: digests have the length of their algorithm, as the engine checks later; a first part in capital letters is
// no registry; a port is a port.
const domainPart = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domainPattern = new RegExp(
  `^(?:${domainPart}(?:\\.${domainPart})*|\\[[a-fA-F0-9:]{2,45}\\])(?::([0-9]{1,5}))?$`,
);
const pathPart = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const tagPattern = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const digestPattern = 'sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}';
const remainderPattern = new RegExp(
  `^(${pathPart}(?:/${pathPart})*)(?::(${tagPattern}))?(?:@(${digestPattern}))?$`,
);

const hub = 'docker.io';

/** A reference, or what is wrong with the text and what would be right, to be read after "image" or a pointer. */
export function parseImageReference(text: string): Result<ImageReference, string> {
  const reference = readImageReference(text);
  if (reference !== undefined) return accept(reference);
  return { ok: false, refusal: imageMistake(text, (fix) => readImageReference(fix) !== undefined) };
}

/** By the grammar alone; undefined for what is no reference. */
function readImageReference(text: string): ImageReference | undefined {
  // Longer than any reference: a name, a tag and a digest. It bounds the work of the patterns as well.
  if (text.length > 512 || isImageId(text)) return undefined;
  const { domain, remainder } = splitDomain(text);
  const port = domainPattern.exec(domain);
  const match = remainderPattern.exec(remainder);
  if (port === null || match === null || !isPort(port[1])) return undefined;
  const [, path = '', tag, digest] = match;
  const repository = domain === hub && !path.includes('/') ? `library/${path}` : path;
  if (domain.length + 1 + repository.length > maxImageName || isWebPage(domain)) return undefined;
  return {
    registry: domain,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function isPort(text: string | undefined): boolean {
  return text === undefined || (Number(text) >= 1 && Number(text) <= 65_535);
}

/** The first part names a registry only where it cannot be a part of a repository on Docker Hub. */
function splitDomain(text: string): { readonly domain: string; readonly remainder: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(0, slash));
  if (first !== 'localhost' && !/[.:]/.test(first)) return { domain: hub, remainder: text };
  return { domain: first === `index.${hub}` ? hub : first, remainder: text.slice(slash + 1) };
}

/** Registry and repository, which no engine takes for an id. */
export function imageName({ registry, repository }: ImageReference): string {
  return `${registry}/${repository}`;
}

/**
 * The one spelling of what a reference means: with its registry, and with a digest or else a tag. Of the spellings that
 * people use for the same image (`ubuntu`, `docker.io/library/ubuntu:latest`) each gives this one.
 */
export function imageReferenceText(reference: ImageReference): string {
  const { digest, tag = 'latest' } = reference;
  return digest === undefined ? `${imageName(reference)}:${tag}` : `${imageName(reference)}@${digest}`;
}
