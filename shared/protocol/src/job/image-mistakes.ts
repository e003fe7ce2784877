/** Digests of images have so many hex digits. */
const digestDigits: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** Pages that show images, and how the image of such a page is called. The address comes without its scheme. */
const pages: readonly (readonly [page: RegExp, image: string])[] = [
  [/^hub\.docker\.com\/_\/([^/?#]+).*$/, '$1'],
  [/^hub\.docker\.com\/(?:r|layers|repository\/docker)\/([^/?#]+\/[^/?#]+).*$/, '$1'],
  [/^(?:registry\.)?hub\.docker\.com\/v2\/repositories\/([^/?#]+\/[^/?#]+).*$/, '$1'],
  [/^quay\.io\/repository\/([^/?#]+\/[^/?#]+).*$/, 'quay.io/$1'],
  [/^github\.com\/(?:orgs\/|users\/)?([^/?#]+)\/.*\/container\/(?:package\/)?([^/?#]+).*$/, 'ghcr.io/$1/$2'],
  [/^gallery\.ecr\.aws\/([^?#]+).*$/, 'public.ecr.aws/$1'],
  [
    /^catalog\.ngc\.nvidia\.com\/orgs\/([^/?#]+)\/teams\/([^/?#]+)\/containers\/([^/?#]+).*$/,
    'nvcr.io/$1/$2/$3',
  ],
  [/^catalog\.ngc\.nvidia\.com\/orgs\/([^/?#]+)\/containers\/([^/?#]+).*$/, 'nvcr.io/$1/$2'],
];
const pageHosts: ReadonlySet<string> = new Set([
  'huggingface.co',
  'hub.docker.com',
  'github.com',
  'gallery.ecr.aws',
  'catalog.ngc.nvidia.com',
]);

/** Hosts that show images to people and serve none. */
export function isWebPage(host: string): boolean {
  return pageHosts.has(host.toLowerCase());
}

/** Ids name what is on one machine, whoever brought it there, so they name nothing in a job. */
export function isImageId(text: string): boolean {
  return /^(?:[0-9a-f]{64}|sha(?:256|384|512):[0-9a-f]+)$/i.test(text);
}

/** Whether a text is a reference. */
type Accepts = (text: string) => boolean;

/** Of registry and repository together; common registries and engines refuse more. */
const maxName = 255;

/** What is wrong with a text that is no image reference, and what would be right where that can be told. */
export function imageMistake(text: string, accepts: Accepts): string {
  return foreignForm(text, accepts) ?? wrongDigest(text, accepts) ?? wrongName(text, accepts);
}

function fixed(message: string, accepts: Accepts, ...fixes: readonly string[]): string {
  const fix = fixes.flatMap((text) => [text, text.toLowerCase()]).find(accepts);
  return fix === undefined ? message : `${message}; write ${fix}`;
}

/** Texts that are something else: addresses, commands, ids. */
function foreignForm(text: string, accepts: Accepts): string | undefined {
  if (text.trim() === '') return 'is empty; name an image such as ubuntu:22.04';
  if (/\s/.test(text))
    return fixed('must not contain spaces', accepts, ...wordMeant(text.trim().split(/\s+/)));
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  const rest = scheme === undefined ? text : text.slice(scheme.length + '://'.length).replace(/^\/+/, '');
  const isAddress = /^https?$/i.test(scheme ?? '') || isWebPage(rest.split('/', 1)[0] ?? '');
  if (isAddress) {
    const named = pages.filter(([page]) => page.test(rest)).map(([page, image]) => rest.replace(page, image));
    return fixed('must be the name of an image, not the address of a web page', accepts, ...named, rest);
  }
  if (scheme !== undefined) return fixed(`must be written without ${scheme}://`, accepts, rest);
  if (isImageId(text))
    return 'is the id of an image on one machine; name the image by its repository with a tag or a digest';
  const transport = /^(docker-daemon|docker-archive|oci-archive|oci|containers-storage|dir):(.+)$/.exec(text);
  if (transport !== null && /[:/]/.test(transport[2] ?? ''))
    return fixed(`must be written without ${transport[1]}:`, accepts, ...registryName(transport[2]));
  if (/^(?:~|\.{1,2})?\/.*\.(?:tar|tgz|gz|sif|simg|img)$/.test(text) || /^(?:~|\.{1,2})\//.test(text))
    return 'is a path of this machine; push the image to a registry and write its name there';
  if (/^[^/@]*(?::[^/@]*)?@[^/@:]+(?::[0-9]+)?\//.test(text))
    return 'must not hold the name of a user; images are pulled without credentials';
  const odd = /[^\w./:@[\]-]/u.exec(text)?.[0];
  if (odd === undefined) return undefined;
  const message = `contains ${shownCharacter(odd)}; a name has letters, digits and . _ - / : @ only`;
  return fixed(message, accepts, text.replace(oddEnds, ''));
}

/** Quotes, commas and what cannot be seen, as they come along when text is copied. */
const oddEnds = /^["'`“”‘’,;\p{Cf}\p{Z}]+|["'`“”‘’,;\p{Cf}\p{Z}]+$/gu;

/** What nobody can see is shown by its number. */
function shownCharacter(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return /[\p{C}\p{Z}\p{M}]/u.test(character) ? `the character U+${code}` : JSON.stringify(character);
}

/** The one that names an image, where words are a command, and what is left without the spaces elsewhere. */
function wordMeant(words: readonly string[]): readonly string[] {
  const [first = '', second = ''] = words;
  if (/^(?:image:|from)$/i.test(first)) return [second];
  if (!/^(?:docker|podman|nerdctl|apptainer|singularity)$/i.test(first)) return [words.join('')];
  const given = words.slice(2).filter((word) => !word.startsWith('-'));
  // More of them are values of options, or a command for the container.
  return given.length === 1 ? given : [];
}

/** Archives are files, and the name of one is not that of an image. */
function registryName(text: string | undefined): readonly string[] {
  return text === undefined || text.startsWith('/') || text.startsWith('.') ? [] : [text];
}

function wrongDigest(text: string, accepts: Accepts): string | undefined {
  const at = text.indexOf('@');
  if (at < 0) return undefined;
  const name = text.slice(0, at);
  const written = text.slice(at + 1);
  const [algorithm = '', hex = '', ...more] = written.split(':');
  const digits = Object.hasOwn(digestDigits, algorithm) ? digestDigits[algorithm] : undefined;
  if (digits === undefined || more.length > 0) {
    const example = 'after @ comes a digest such as sha256: with 64 hex digits';
    const respelt = /^(?:sha-?256[:-]?)?([0-9a-f]{64})$/i.exec(written)?.[1]?.toLowerCase();
    if (respelt !== undefined) return fixed(example, accepts, `${name}@sha256:${respelt}`);
    return /^[\w.-]+$/.test(written) ? fixed(example, accepts, `${name}:${written}`) : example;
  }
  if (/[^0-9a-f]/i.test(hex)) return `has a digest with something other than hex digits after ${algorithm}:`;
  if (hex.length !== digits)
    return `has a digest of ${hex.length} hex digits; ${algorithm} has ${digits}, so a part of it may be missing`;
  if (hex !== hex.toLowerCase())
    return fixed('must have its digest in lower case', accepts, `${name}@${written.toLowerCase()}`);
  return undefined;
}

function wrongName(text: string, accepts: Accepts): string {
  const at = text.indexOf('@');
  const tail = at < 0 ? '' : text.slice(at);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const name = hasTag ? named.slice(0, colon) : named;
  const tag = hasTag ? named.slice(colon) : '';
  const written = (path: string) => `${path}${tag}${tail}`;
  if (name === '') return 'has no name before its tag or digest';
  if (tag === ':') return fixed('ends in a colon without a tag', accepts, name + tail);
  if (tag.length > 129) return `has a tag of ${tag.length - 1} characters; 128 are allowed`;
  if (hasTag && !/^:\w[\w.-]*$/.test(tag))
    return `has the tag ${JSON.stringify(tag.slice(1, 65))}; tags have letters, digits and . _ - and begin with a letter, a digit or _`;
  const digest = /:(sha256|sha384|sha512)$/.exec(name);
  if (digest !== null && /^:[0-9a-f]+$/i.test(tag)) {
    const meant = `${name.slice(0, digest.index)}@${digest[1]}${tag.toLowerCase()}`;
    return fixed('must have an @ before its digest', accepts, meant);
  }
  const parts = name.split('/');
  const kept = parts.filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return 'must not contain the path part ..; name the image by its repository';
  if (kept.length < parts.length)
    return fixed('has an empty path part or one that is a dot', accepts, written(kept.join('/')));
  if (/[A-Z]/.test(name) && accepts(written(name.toLowerCase())))
    return fixed('must have its repository in lower case', accepts, written(lowerPath(parts)));
  if (
    name.length > maxName &&
    accepts(
      kept
        .map((part) => part.slice(0, 2))
        .join('/')
        .slice(0, 99),
    )
  )
    return 'has a name that is longer than 255 characters with its registry';
  if (kept.slice(1).some((part) => part.includes(':')) || (kept.length === 1 && name.includes(':')))
    return 'has more than one colon; one stands before the tag, and one before the port of a registry';
  const port = /^[^:]+:([^:]*)$/.exec(kept[0] ?? '')?.[1];
  if (port !== undefined)
    return `has ${JSON.stringify(port)} where the port of a registry would stand, which is a number up to 65535; a tag stands at the end`;
  return `has the name ${JSON.stringify(name.slice(0, 100))}; its parts are lower-case letters and digits with . _ __ or - between them, and a registry's port follows a colon`;
}

/** The registry keeps its spelling; only what follows has to be in lower case. */
function lowerPath(parts: readonly string[]): string {
  const [first = '', ...rest] = parts;
  const isRegistry = rest.length > 0 && /[.:]/.test(first);
  return [isRegistry ? first : first.toLowerCase(), ...rest.map((part) => part.toLowerCase())].join('/');
}
