import type { Agent } from 'node:http';
import { chooseProtocol, wireLimits } from '@capacloud/protocol/wire/frames';
import { protocolVersions } from '@capacloud/protocol/wire/protocol-versions';
import { WebSocket } from 'ws';
import { readFrame } from './frame-reader.ts';

/** What a coordinator says when it is met. */
export interface Meeting {
  readonly coordinator: string;
  readonly nowMs: number;
  /** The newest version of the protocol that both speak; undefined where there is none. */
  readonly protocol: number | undefined;
}

/**
 * Opens a WebSocket as a session does, reads the challenge, and leaves. Throws what went wrong: an answer without an upgrade,
 * as of a reverse proxy that does not pass it on, is one.
 */
export function meetCoordinator(url: string, agent: Agent, signal: AbortSignal): Promise<Meeting> {
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    maxPayload: wireLimits.handshakeFrameBytes,
    handshakeTimeout: wireLimits.handshakeTimeoutMs,
    followRedirects: false,
    agent,
  });
  const abort = () => socket.terminate();
  signal.addEventListener('abort', abort, { once: true });
  return new Promise<Meeting>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', (code) => reject(new Error(`the WebSocket closed (${code}) before a challenge came`)));
    socket.on('message', (data, isBinary) => {
      const read = isBinary || !Buffer.isBuffer(data) ? undefined : readFrame(data.toString('utf8'));
      if (read?.ok !== true)
        return reject(new Error('what came over the WebSocket is no frame of a coordinator'));
      const frame = read.value;
      if (frame.type === 'refusal') return reject(new Error(`${frame.message} (${frame.code})`));
      if (frame.type !== 'challenge')
        return reject(new Error(`a ${frame.type} frame came instead of a challenge`));
      const { coordinator, nowMs } = frame;
      resolve({ coordinator, nowMs, protocol: chooseProtocol(protocolVersions, frame.protocols) });
    });
  }).finally(() => {
    signal.removeEventListener('abort', abort);
    socket.terminate();
  });
}
