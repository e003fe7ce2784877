/** Digests of images have so many hex digits. */
const digestDigits: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** Pages that show images, and how the image of such a page is called. The address comes without its scheme. */
const pages: readonly (readonly [page: RegExp, image: string])[] = [
  [/^hub\.docker\.com\/_\/([^/?#]+).*$/, '$1'],
  [/^hub\.docker\.com\/(?:r|layers|repository\/docker)\/([^/?#]+\/[^/?#]+).*$/, '$1'],
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
  if (/\s/.test(text)) {
    const words = text.trim().split(/\s+/);
    const isCommand = /^(?:docker|podman|nerdctl|from)$/i.test(words[0] ?? '');
    const fix = isCommand ? words.at(-1) : words.join('');
    return fixed('must not contain spaces', accepts, fix ?? '');
  }
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
  const odd = /[^\w./:@[\]-]/u.exec(text)?.[0];
  if (odd !== undefined)
    return `contains ${JSON.stringify(odd)}; a name has letters, digits and . _ - / : @ only`;
  return undefined;
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
  const parts = name.split('/');
  const kept = parts.filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return 'must not contain the path part ..; name the image by its repository';
  if (kept.length < parts.length)
    return fixed('has an empty path part or one that is a dot', accepts, written(kept.join('/')));
  if (/[A-Z]/.test(name) && accepts(written(name.toLowerCase())))
    return fixed('must have its repository in lower case', accepts, written(lowerPath(parts)));
  if (name.length > 200 && kept.every((part) => part.length > 0) && accepts(written(name.slice(0, 60))))
    return 'has a name that is longer than 255 characters with its registry';
  return `has the name ${JSON.stringify(name.slice(0, 100))}; its parts are lower-case letters and digits with . _ __ or - between them, and a registry's port follows a colon`;
}

/** The registry keeps its spelling; only what follows has to be in lower case. */
function lowerPath(parts: readonly string[]): string {
  const [first = '', ...rest] = parts;
  const isRegistry = rest.length > 0 && /[.:]/.test(first);
  return [isRegistry ? first : first.toLowerCase(), ...rest.map((part) => part.toLowerCase())].join('/');
}
