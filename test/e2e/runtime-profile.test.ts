import { seccompOption } from '@capacloud/agent/container/seccomp/seccomp-profile';
import { openRuntimeRig, type RuntimeRig, readLog, script } from '@capacloud/rig/engine/runtime-rig';
import { busyboxArchive, importImage } from '@capacloud/rig/images/engine-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const mebibyte = 2 ** 20;
let rig: RuntimeRig;
beforeAll(async () => {
  rig = await openRuntimeRig();
});
afterAll(async () => {
  await rig.close();
});

describe('the container profile', () => {
  it('is what the engine shows', async () => {
    const assignment = rig.assign({
      ...script('sleep 60'),
      outputs: [{ path: '/out/x.txt', maxBytes: 10 }],
      resources: { memoryBytes: 32 * mebibyte, diskBytes: 8 * mebibyte, shmBytes: 4 * mebibyte },
    });
    const key = await rig.launch(assignment);
    const info = await rig.docker.getContainer(`cc-${key.task}-1`).inspect();
    const { User: user, ...config } = info.Config;
    expect(user).toMatch(/^20[0-9]{8}:65532$/);
    expect(config).toMatchObject({ Tty: false, OpenStdin: false });
    expect(info.Config.Labels).toEqual({
      'capacloud.node': rig.options.owner.node,
      'capacloud.coordinator': rig.options.owner.coordinator,
      'capacloud.task': key.task,
      'capacloud.attempt': '1',
      'capacloud.role': 'task',
      'capacloud.uid': user.split(':')[0],
    });
    expect(info.HostConfig).toMatchObject({
      NetworkMode: 'none',
      IpcMode: 'private',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      CapAdd: null,
      SecurityOpt: ['no-new-privileges:true', seccompOption],
      Privileged: false,
      AutoRemove: false,
      RestartPolicy: { Name: 'no' },
      PidsLimit: 64,
      // Scratch lies on a memory file system.
      Memory: 40 * mebibyte,
      MemorySwap: 40 * mebibyte,
      NanoCpus: 500_000_000,
      ShmSize: 4 * mebibyte,
      OomScoreAdj: 500,
      Init: true,
      Binds: null,
      Devices: null,
      PidMode: '',
      UTSMode: '',
      LogConfig: { Type: 'local', Config: { 'max-size': '10m', 'max-file': '12' } },
    });
    // The engine lists them in no order.
    expect(info.Mounts.map((mount) => `${mount.Type} ${mount.Destination} ${mount.RW}`).sort()).toEqual([
      'volume /dev/pts true',
      'volume /out true',
    ]);
    await rig.runtime.stop(key, 0, rig.signal);
  });

  it('holds inside the container', async () => {
    const lines = [
      'id -u; id -g',
      'grep -E "^(CapEff|CapPrm|CapBnd|CapInh|NoNewPrivs|Seccomp):" /proc/self/status',
      'ls /sys/class/net',
      'touch /x 2>&1; touch /etc/x 2>&1',
      'echo "#!/bin/sh" > /tmp/run && chmod 2>/dev/null; sh -c "/tmp/run" 2>&1',
      'mount -t tmpfs none /tmp 2>&1',
      'ulimit -n; ulimit -c',
      'echo $CAPACLOUD_TASK_INDEX/$CAPACLOUD_TASK_COUNT $CAPACLOUD_ATTEMPT $GREETING $NVIDIA_VISIBLE_DEVICES',
      'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null',
    ];
    const assignment = rig.assign({
      ...script(`${lines.join('\n')}\nexit 0`),
      env: { GREETING: 'hi', NVIDIA_VISIBLE_DEVICES: 'all' },
      taskIndex: 2,
      taskCount: 5,
    });
    const seen = await rig.run(assignment);
    const { stdout } = await readLog(rig, seen.key);
    expect(seen.exitCode).toBe(0);
    expect(stdout).toMatch(/^20[0-9]{8}\n65532\n/);
    for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd'])
      expect(stdout).toContain(`${name}:\t0000000000000000`);
    expect(stdout).toContain('NoNewPrivs:\t1');
    expect(stdout).toContain('Seccomp:\t2');
    expect(stdout).toMatch(/\nlo\n/);
    expect(stdout).not.toContain('eth0');
    expect(stdout).toContain('touch: /x: Read-only file system');
    expect(stdout).toContain('touch: /etc/x: Read-only file system');
    expect(stdout).toContain('/tmp/run: Permission denied');
    expect(stdout).toMatch(/mount: (permission denied|mounting none on \/tmp failed)/);
    expect(stdout).toContain('\n16384\n0\n');
    expect(stdout).toContain('\n2/5 1 hi void\n64\n');
  });

  it('takes back what an image brings: volumes, health checks, library paths', async () => {
    const image = await importImage(rig.docker, 'capacloud-test/greedy', '1', await busyboxArchive(), [
      'VOLUME /data',
      'ENV LD_PRELOAD=/evil.so NVIDIA_VISIBLE_DEVICES=all KEPT=yes',
      'USER 0',
    ]);
    const fill = 'dd if=/dev/zero of=/data/x bs=1M count=64 2>&1; env; id -u; exit 0';
    const seen = await rig.run(
      rig.assign({ ...script(fill), image, resources: { memoryBytes: 128 * mebibyte } }),
    );
    const { stdout } = await readLog(rig, seen.key);
    expect(seen.exitCode).toBe(0);
    expect(stdout).toContain('No space left on device');
    expect(stdout).toContain('KEPT=yes');
    expect(stdout).toContain('NVIDIA_VISIBLE_DEVICES=void');
    expect(stdout).not.toContain('LD_PRELOAD');
    expect(stdout).toMatch(/\n20[0-9]{8}\n/);
    const info = await rig.docker.getContainer(`cc-${seen.key.task}-1`).inspect();
    const volumes = info.Mounts.filter((mount) => mount.Type === 'volume');
    expect(volumes.map((mount) => mount.Destination)).toEqual(['/dev/pts']);
    await rig.runtime.remove(seen.key, rig.signal);
    await rig.docker.getImage(image).remove();
  });

  it('refuses root unless the owner allows it, and gives a task an id of its own, and the group of its user', async () => {
    for (const user of ['0', '0:0', '1000:0']) {
      const refused = await rig.runtime.prepare(rig.assign({ ...script('true'), user }), [], rig.signal);
      expect(refused).toMatchObject({ ok: false, refusal: { reason: 'refused' } });
    }
    const seen = await rig.run(rig.assign({ ...script('id -u; id -g; exit 0'), user: '1000' }));
    expect((await readLog(rig, seen.key)).stdout).toMatch(/^20[0-9]{8}\n1000\n$/);
  });
});
