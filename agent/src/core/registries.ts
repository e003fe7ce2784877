import type { ImageReference } from '@capacloud/protocol/job/image-reference';
import { accept, type Result } from '@capacloud/protocol/result';

/** Of one owner. */
export const maxRegistries = 256;

/** What stands for all public registries below in the setting. */
export const defaultRegistries = 'default';

/**
 * Registries that everybody may publish in, so nobody who publishes there decides where their clients are sent. Each entry
 * names the hosts that it sends clients to for a token.
 */
const publicRegistries: Readonly<Record<string, readonly string[]>> = {
  'docker.io': ['auth.docker.io'],
  'ghcr.io': [],
  'quay.io': [],
  'gcr.io': [],
  '*.gcr.io': [],
  '*.pkg.dev': [],
  'public.ecr.aws': [],
  'nvcr.io': [],
  'mcr.microsoft.com': [],
  'registry.gitlab.com': ['gitlab.com'],
  'registry.hf.space': [],
  'registry.k8s.io': [],
};

/** Where a registry answers that is called otherwise. */
const endpoints: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' };

/** One entry of the setting. */
export interface AllowedRegistry {
  /** In small letters; may be `*` or begin with `*.`. */
  readonly host: string;
  /** Empty: the port of the scheme. */
  readonly port: string;
  /** Without TLS. */
  readonly isPlain: boolean;
  /** Hosts that it may send clients to for a token, beside itself and other entries. */
  readonly tokenHosts: readonly string[];
  /** The owner named this very host, so it may lie in the owner's own network. */
  readonly isNamed: boolean;
}

/** Where something is asked for, and how much the owner trusts that place. */
export interface RegistryOrigin {
  readonly protocol: 'http:' | 'https:';
  readonly host: string;
  /** Empty: the port of the scheme. */
  readonly port: string;
  readonly mayBePrivate: boolean;
  readonly tokenHosts: readonly string[];
  /** An entry names the host, or all below its domain: it is no stranger's. */
  readonly isTrusted: boolean;
}

const hostPattern =
  /^(\*\.)?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$|^\[[0-9a-f:]{2,45}\]$|^\*$/;

/** One text of the setting; the refusal is read after it. */
export function parseRegistry(text: string): Result<AllowedRegistry, string> {
  const isPlain = text.startsWith('http://');
  const rest = text.replace(/^https?:\/\//, '').toLowerCase();
  if (rest.includes('/'))
    return { ok: false, refusal: 'must be the host of a registry, without a path, such as ghcr.io' };
  const match = /^(.*?)(?::([0-9]{1,5}))?$/.exec(rest);
  const [, host = '', port = ''] = match ?? [];
  if (!hostPattern.test(host) || (port !== '' && !(Number(port) >= 1 && Number(port) <= 65_535)))
    return { ok: false, refusal: 'is no registry; write HOST, HOST:PORT, *.DOMAIN or *' };
  const isNamed = !host.startsWith('*');
  if (isPlain && !isNamed)
    return { ok: false, refusal: 'has no TLS and a *; name each registry without TLS by its host' };
  if (/^\*\.[^.]+$/.test(host))
    return { ok: false, refusal: 'stands for a whole top-level domain; name the domain below it' };
  return accept({ host, port: shortPort(port, isPlain), isPlain, tokenHosts: [], isNamed });
}

function shortPort(port: string, isPlain: boolean): string {
  return port === (isPlain ? '80' : '443') ? '' : port;
}

/** The setting of a configuration, in which each entry was parsed before. */
export function readRegistries(texts: readonly string[]): readonly AllowedRegistry[] {
  return texts.flatMap((text) => {
    if (text === defaultRegistries)
      return Object.entries(publicRegistries).map(([host, tokenHosts]) => ({
        host,
        port: '',
        isPlain: false,
        tokenHosts,
        isNamed: false,
      }));
    const parsed = parseRegistry(text);
    return parsed.ok ? [parsed.value] : [];
  });
}

/** Where the images of a registry are asked for; undefined where the owner does not allow it. */
export function registryOrigin(
  allowed: readonly AllowedRegistry[],
  { registry }: Pick<ImageReference, 'registry'>,
): RegistryOrigin | undefined {
  const [, host = '', port = ''] = /^(.*?)(?::([0-9]{1,5}))?$/.exec(registry.toLowerCase()) ?? [];
  return originOf(allowed, host, port);
}

/** An entry that names the host is better than one with a star. */
function originOf(
  allowed: readonly AllowedRegistry[],
  host: string,
  port: string,
): RegistryOrigin | undefined {
  const fitting = allowed.filter((entry) => fits(entry, host, port));
  const entry =
    fitting.find(({ isNamed }) => isNamed) ?? fitting.find((each) => each.host !== '*') ?? fitting[0];
  if (entry === undefined) return undefined;
  return {
    protocol: entry.isPlain ? 'http:' : 'https:',
    host: endpoints[host] ?? host,
    port: shortPort(port, entry.isPlain),
    mayBePrivate: entry.isNamed,
    tokenHosts: entry.tokenHosts,
    isTrusted: entry.host !== '*',
  };
}

function fits(entry: AllowedRegistry, host: string, port: string): boolean {
  if (shortPort(port, entry.isPlain) !== entry.port) return false;
  // A star stands for names of the public DNS alone, never for addresses, in whatever spelling, or local names.
  const isPublicName = /\.[a-z][a-z0-9-]*$/.test(host) && !/\.(?:localhost|local|internal)$/.test(host);
  if (entry.host === '*') return isPublicName;
  if (entry.host.startsWith('*.')) return isPublicName && host.endsWith(entry.host.slice(1));
  return host === entry.host;
}

/** Where a token may be asked for; undefined where the registry names a place that the owner does not allow. */
export function tokenOrigin(
  allowed: readonly AllowedRegistry[],
  registry: RegistryOrigin,
  realm: URL,
): RegistryOrigin | undefined {
  if (realm.username !== '' || realm.password !== '') return undefined;
  const same = sameOrigin(registry, realm);
  if (same !== undefined) return same;
  if (realm.protocol === 'https:' && realm.port === '' && registry.tokenHosts.includes(realm.hostname))
    return { ...registry, protocol: 'https:', host: realm.hostname, port: '', mayBePrivate: false };
  return listedOrigin(allowed, realm);
}

/**
 * Where a registry may send a client for content: back to itself, to another entry, or to any public host by TLS on its
 * usual port, as content is kept by delivery networks whose names change. Nothing but the hash of the content is trusted.
 */
export function contentOrigin(
  allowed: readonly AllowedRegistry[],
  registry: RegistryOrigin,
  place: URL,
): RegistryOrigin | undefined {
  if (place.username !== '' || place.password !== '') return undefined;
  const known = sameOrigin(registry, place) ?? listedOrigin(allowed, place);
  if (known !== undefined) return known;
  const anywhere = originOf(
    [{ host: '*', port: '', isPlain: false, tokenHosts: [], isNamed: false }],
    place.hostname,
    place.port,
  );
  return place.protocol !== 'https:' || anywhere === undefined
    ? undefined
    : { ...anywhere, isTrusted: registry.isTrusted };
}

function sameOrigin(registry: RegistryOrigin, { protocol, hostname, port }: URL): RegistryOrigin | undefined {
  const isSame = protocol === registry.protocol && hostname === registry.host && port === registry.port;
  return isSame ? registry : undefined;
}

function listedOrigin(allowed: readonly AllowedRegistry[], place: URL): RegistryOrigin | undefined {
  const origin = originOf(allowed, place.hostname, place.port);
  return origin === undefined || origin.protocol !== place.protocol || origin.host !== place.hostname
    ? undefined
    : origin;
}

/** For the doctor: whether all public registries are allowed, whoever runs them. */
export function allowsAll(allowed: readonly AllowedRegistry[]): boolean {
  return allowed.some(({ host }) => host === '*');
}
