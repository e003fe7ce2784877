import { request } from 'node:http';
import { EngineError } from './engine-error.ts';

/** What asking a socket gave: an engine's answer, nobody there, or a refusal by the file's permissions. */
export type PingAnswer = 'answers' | 'silent' | 'forbidden';

const maxAnswerBytes = 1024;

/** Asks the Docker API at a unix socket for `/_ping`. Never rejects: whatever is no engine is `silent`. */
export function pingEngine(socketPath: string, signal: AbortSignal, timeoutMs = 2000): Promise<PingAnswer> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  return new Promise((resolve) => {
    const call = request(
      { socketPath, path: '/_ping', method: 'GET', signal: limit, agent: false },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
          if (body.length > maxAnswerBytes) call.destroy(new Error('not an engine'));
        });
        response.once('end', () =>
          resolve(response.statusCode === 200 && body === 'OK' ? 'answers' : 'silent'),
        );
        response.once('error', () => resolve('silent'));
      },
    );
    call.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'EACCES' || error.code === 'EPERM' ? 'forbidden' : 'silent');
    });
    call.end();
  });
}

/** The socket that DOCKER_HOST names; undefined when it is not set. Throws EngineError for any other transport. */
export function socketFromDockerHost(dockerHost: string | undefined): string | undefined {
  if (dockerHost === undefined || dockerHost === '') return undefined;
  const path = /^unix:\/\/(\/.+)$/.exec(dockerHost)?.[1];
  if (path !== undefined) return path;
  throw new EngineError(
    'docker_host_unusable',
    `DOCKER_HOST is ${dockerHost}, and only unix:///path/to/docker.sock can be used here`,
    'unset DOCKER_HOST, or point it at a unix socket',
  );
}
