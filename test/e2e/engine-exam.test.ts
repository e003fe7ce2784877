import { examEngine } from '@capacloud/agent/container/engine-exam';
import { judgeConfinement } from '@capacloud/agent/host/checks/flaw-checks';
import { hasEngine } from '@capacloud/rig/engine/real-parts';
import { dockerSocket } from '@capacloud/rig/images/engine-images';
import Docker from 'dockerode';
import { expect, it } from 'vitest';

it.skipIf(!hasEngine())(
  'the doctor reads a real engine, and leaves no container of its check for GPUs',
  async () => {
    const exam = examEngine(dockerSocket);
    const signal = AbortSignal.timeout(60_000);
    const facts = await exam.facts(signal);
    expect(facts).toMatchObject({ product: 'Docker', osType: 'linux', missingLimits: [] });
    expect(judgeConfinement(facts, []).filter(({ ok }) => !ok)).toEqual([]);
    // There is no such GPU, whatever the machine has.
    expect(await exam.tryGpus(['GPU-00000000-0000-0000-0000-000000000000'], signal)).toMatch(/\S/);
    const docker = new Docker({ socketPath: dockerSocket });
    const filters = { label: ['capacloud.doctor=gpu'] };
    expect(await docker.listContainers({ all: true, filters })).toEqual([]);
  },
);
