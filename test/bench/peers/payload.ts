/** What a queue carries for one job: about as much as a job file of ours. */
export function payloadOf(id: number): object {
  return {
    id,
    image: 'local/busybox:1',
    command: ['true'],
    env: { A: '1', B: '2' },
    resources: { cpu: '10m', memory: '8Mi', disk: '1Mi', shm_size: '1Mi' },
    timeout: '1m',
  };
}
