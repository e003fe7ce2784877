import { BlockList, isIP } from 'node:net';
import { TransferError } from './transfer-error.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Proxy {
  readonly isSecure: boolean;
  readonly host: string;
  readonly port: number;
  /** The value of Proxy-Authorization. For the proxy alone. */
  readonly authorization: string | undefined;
  /** The address as people may see it: without a password. */
  readonly shown: string;
}

/** Gives the proxy through which an address is reached; undefined where it is reached directly. */
export type ProxyChoice = (url: URL) => Proxy | undefined;

/** Throws TransferError for a variable that names no proxy. */
export function readProxyChoice(env: Environment): ProxyChoice {
  const all = proxyIn(env, 'ALL_PROXY');
  const secure = proxyIn(env, 'HTTPS_PROXY') ?? all;
  const plain = proxyIn(env, 'HTTP_PROXY') ?? all;
  const isDirect = readExceptions(variable(env, 'NO_PROXY') ?? '');
  return (url) => {
    const isSecure = url.protocol === 'https:' || url.protocol === 'wss:';
    const proxy = isSecure ? secure : plain;
    if (proxy === undefined) return undefined;
    const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
    const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port);
    return isDirect(host, port) ? undefined : proxy;
  };
}

/** The small letters count first, as with curl. An empty variable is as good as none. */
function variable(env: Environment, name: string): string | undefined {
  const text = env[name.toLowerCase()]?.trim() || env[name]?.trim();
  return text === '' ? undefined : text;
}

function proxyIn(env: Environment, name: string): Proxy | undefined {
  const text = variable(env, name);
  if (text === undefined) return undefined;
  // Many write host:port, which is a plain proxy.
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  const isSecure = url?.protocol === 'https:';
  if (url === null || url.hostname === '' || !(isSecure || url.protocol === 'http:')) {
    // The text may hold a password.
    throw new TransferError(
      'config.invalid',
      `${name} names no proxy that can be used`,
      'Write http://HOST:PORT or https://HOST:PORT; SOCKS is not supported.',
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port);
  return {
    isSecure,
    host,
    port,
    authorization: authorizationOf(name, url),
    shown: `${url.protocol}//${url.host}`,
  };
}

function authorizationOf(name: string, { username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  try {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`;
  } catch (cause) {
    const hint = 'Write a % in user name or password as %25.';
    throw new TransferError('config.invalid', `${name} has credentials that cannot be read`, hint, { cause });
  }
}

/** Whether a host and port are reached directly. */
function readExceptions(text: string): (host: string, port: number) => boolean {
  const rules = text
    .split(/[\s,]+/)
    .filter((part) => part !== '')
    .map((part) => readException(part.toLowerCase()));
  return (host, port) => isLoopback(host) || rules.some((rule) => rule(host, port));
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || contains(loopback, host);
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function contains(list: BlockList, host: string): boolean {
  const family = isIP(host);
  return family !== 0 && list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

function readException(text: string): (host: string, port: number) => boolean {
  if (text === '*') return () => true;
  const network = /^([0-9a-f.:]+)\/([0-9]{1,3})$/.exec(text);
  const family = isIP(network?.[1] ?? '');
  const bits = Number(network?.[2]);
  if (network?.[1] !== undefined && family !== 0 && bits <= (family === 4 ? 32 : 128)) {
    const list = new BlockList();
    list.addSubnet(network[1], bits, family === 4 ? 'ipv4' : 'ipv6');
    return (host) => contains(list, host);
  }
  const { name, port } = splitPort(text);
  const fits = isIP(name) === 0 ? nameRule(name) : addressRule(name);
  return (host, given) => (port === undefined || port === given) && fits(host);
}

/** `host:8443`, `[::1]:8443`, `::1`. */
function splitPort(text: string): { readonly name: string; readonly port: number | undefined } {
  const bracketed = /^\[([^\]]*)\](?::([0-9]{1,5}))?$/.exec(text);
  const plain = /^([^:]*):([0-9]{1,5})$/.exec(text);
  const [, name = text, port] = bracketed ?? plain ?? [];
  return { name, port: port === undefined ? undefined : Number(port) };
}

function addressRule(address: string): (host: string) => boolean {
  const list = new BlockList();
  list.addAddress(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
  return (host) => contains(list, host);
}

/** The domain and all that is below it. */
function nameRule(name: string): (host: string) => boolean {
  const domain = name.replace(/^\*?\.+/, '').replace(/\.$/, '');
  return (host) => {
    const plain = host.replace(/\.$/, '');
    return domain !== '' && (plain === domain || plain.endsWith(`.${domain}`));
  };
}
