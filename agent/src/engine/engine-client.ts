import { Agent, type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { addAbortSignal } from 'node:stream';
import Docker from 'dockerode';

/**
 * The client that the agent talks to its engine with. dockerode knows the calls; what goes over the socket is decided
 * here, because its own transport puts names into the path as they are, follows redirects to any host, and throws
 * where nothing catches. Names of images come from strangers, so:
 * - whatever is put into a path is escaped, and a path that still leaves its place is never sent;
 * - a redirect is an answer like any other that was not asked for;
 * - whatever the engine answers, or does not, settles the call's promise.
 */
class EngineClient extends Docker {
  constructor(options: Docker.DockerOptions) {
    super(options);
    // The one place where the transport sends; its typings keep it to themselves.
    (this.modem as unknown as { buildRequest: typeof send }).buildRequest = send;
  }

  override getContainer(id: string): Docker.Container {
    return super.getContainer(encodeURIComponent(id));
  }

  override getImage(name: string): Docker.Image {
    return super.getImage(encodeURIComponent(name));
  }

  override getVolume(name: string): Docker.Volume {
    return super.getVolume(encodeURIComponent(name));
  }
}

/**
 * A client of the engine behind `socketPath`. Connections are never reused: an engine that is stopping closes its
 * listener before it stops containers, so a fresh connection that is answered proves that it was not stopping.
 */
export function connectEngine(socketPath: string): Docker {
  // Named here although unused by a socket: otherwise DOCKER_HOST in the environment would win.
  const options = {
    socketPath,
    host: undefined,
    protocol: 'http' as const,
    agent: new Agent({ keepAlive: false }),
  };
  return new EngineClient(options);
}

/** What the engine has of an image. As dockerode's own, which takes no signal: at an engine that hangs it would keep its connection. */
export function askOfImage<T>(docker: Docker, name: string, abortSignal: AbortSignal): Promise<T> {
  const { modem } = docker as unknown as { readonly modem: { dial(call: object, done: Callback): void } };
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const statusCodes = { 200: true, 401: 'no such image', 404: 'no such image', 500: 'server error' };
  const path = `/images/${encodeURIComponent(name)}/json`;
  modem.dial({ path, method: 'GET', abortSignal, statusCodes }, (error, value) => {
    // What the engine refused, or the client itself, is an error already.
    if (error === null || error === undefined) resolve(value as T);
    else reject(error as Error);
  });
  return promise;
}

/** What dockerode says of a call beside the request itself. */
interface CallContext {
  readonly isStream?: boolean;
  readonly hijack?: boolean;
  readonly openStdin?: boolean;
  /** True for what is expected; else what the status means. */
  readonly statusCodes: Readonly<Record<number, true | string>>;
}

type Callback = (error: unknown, value: unknown) => void;
type Body = string | Buffer | NodeJS.ReadableStream | undefined;

/** Answers that are read as a whole: the list of a thousand containers has some megabytes. */
const maxAnswerBytes = 64 * 2 ** 20;
/** Of what the engine says about an error. */
const maxErrorBytes = 64 * 2 ** 10;

function send(options: RequestOptions, context: CallContext, body: Body, callback: Callback): void {
  const settle = settleOnce(callback);
  let sent: ClientRequest;
  try {
    if (!isPlainPath(options.path ?? ''))
      throw new Error('a name would lead to another path of the engine, so the call was not made');
    if (context.hijack === true || context.openStdin === true)
      throw new Error('calls that take over the connection are not supported');
    sent = request(options);
  } catch (error) {
    settle(error, null);
    return;
  }
  sent.on('error', (error) => settle(error, null));
  sent.on('upgrade', (_response, socket) => {
    socket.destroy();
    settle(new Error('the engine wants to go on in another protocol, which is not followed'), null);
  });
  sent.on('response', (response) => {
    // An error that comes when nobody reads any longer must not end the process.
    response.on('error', () => undefined);
    if (options.signal !== undefined) addAbortSignal(options.signal, response);
    receive(response, context).then(
      (value) => settle(null, value),
      (error: unknown) => settle(error, null),
    );
  });
  if (typeof body === 'object' && !Buffer.isBuffer(body)) {
    body.on('error', (error) => sent.destroy(error));
    body.pipe(sent);
  } else {
    sent.end(body);
  }
}

/** dockerode's own callbacks read fields of the answer, and throw where these are missing. */
function settleOnce(callback: Callback): Callback {
  let isSettled = false;
  return (error, value) => {
    if (isSettled) return;
    isSettled = true;
    try {
      callback(error, value);
    } catch (thrown) {
      callback(thrown, null);
    }
  };
}

async function receive(response: IncomingMessage, context: CallContext): Promise<unknown> {
  const status = response.statusCode ?? 0;
  if (context.statusCodes[status] !== true) throw await refusedCall(response, context);
  if (context.isStream === true) return response;
  const text = await readText(response, maxAnswerBytes);
  if (text === '') return Buffer.alloc(0);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error('the engine answered with something other than JSON', { cause });
  }
}

async function refusedCall(response: IncomingMessage, { statusCodes }: CallContext): Promise<Error> {
  const status = response.statusCode ?? 0;
  const expected = statusCodes[status];
  const meaning = typeof expected === 'string' ? expected : 'unexpected';
  const text = await readText(response, maxErrorBytes);
  const said = status >= 300 && status < 400 && status !== 304 ? 'a redirect, which is not followed' : text;
  const error = new Error(`(HTTP code ${status}) ${meaning} - ${messageOf(said)} `);
  return Object.assign(error, { statusCode: status, reason: meaning });
}

function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === 'string' ? message : text;
  } catch {
    return text;
  }
}

/** Throws when the answer ends early or goes beyond the bound. */
async function readText(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`the engine answered with more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Whether the engine will read the path as it is meant: no part of it is empty or a dot, escaped or not. */
export function isPlainPath(path: string): boolean {
  const [plain = ''] = path.split('?', 1);
  if (!/^\/[\w\-.~%:@!$&'()*+,;=/]+$/.test(plain)) return false;
  let decoded: string;
  try {
    decoded = decodeURIComponent(plain);
  } catch {
    return false;
  }
  return decoded
    .slice(1)
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..');
}
