import type { PlacedInput } from '@capacloud/agent/core/ports';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type Docker from 'dockerode';
import type { Pack } from 'tar-stream';
import { type RuntimeRig, readLog, script } from '../engine/runtime-rig.ts';
import { busyboxArchive, importImage } from './engine-images.ts';

export const mebibyte = 2 ** 20;
/** The program and its configuration lie in the folder that jobs write into, and only root may write there. */
const program = '#!/bin/sh\necho "config: $(cat /app/config.json)"; echo done > /app/result.json\n';

function addApp(archive: Pack): void {
  archive.entry({ name: 'app', type: 'directory', mode: 0o755 });
  archive.entry({ name: 'app/main.sh', mode: 0o755 }, program);
  archive.entry({ name: 'app/config.json', mode: 0o644 }, 'default');
  archive.entry({ name: 'app/link', type: 'symlink', linkname: 'config.json' });
  archive.entry({ name: 'app/lib/deep', mode: 0o644 }, 'deep');
  archive.entry({ name: 'tmp', type: 'directory', mode: 0o755 });
  archive.entry({ name: 'etc/passwd', mode: 0o644 }, 'root:x:0:0:root:/root:/bin/sh');
  archive.entry({ name: 'data', type: 'directory', mode: 0o755 });
  archive.entry({ name: 'root', type: 'directory', mode: 0o700 });
}

/** An image as people make them for root: its files and its program in one folder, a home that is root's, /tmp closed. */
export async function makeAppImage(docker: Docker, tag: string): Promise<string> {
  return await importImage(docker, 'capacloud-test/app', tag, await busyboxArchive(addApp), [
    'ENV HOME=/root USER=root',
    'VOLUME /data/',
    'ENTRYPOINT ["/bin/false"]',
  ]);
}

export function output(path: string): Assignment['outputs'][number] {
  return { path, maxBytes: mebibyte };
}

/** Runs to the end and reads what was said. */
export async function runOf(rig: RuntimeRig, assignment: Assignment, inputs: readonly PlacedInput[] = []) {
  const seen = await rig.run(assignment, inputs);
  const { stderr, stdout } = await readLog(rig, seen.key);
  return { exitCode: seen.exitCode, stderr, stdout };
}

/** A program that lives in /app writes a result beside itself: how it ended, what was collected, and its limit of memory. */
export async function runBesideProgram(rig: RuntimeRig, image: string) {
  const assignment = rig.assign({
    ...script('/app/main.sh; cat /app/link /app/lib/deep; echo mine > /app/config.json; exit 0'),
    image,
    outputs: [output('/app/result.json')],
    resources: { diskBytes: mebibyte },
  });
  const ended = await runOf(rig, assignment);
  const collected = await rig.runtime.collect(assignment, `${await rig.folder()}/o`, rig.signal);
  const { HostConfig } = await rig.docker.getContainer(`cc-${assignment.task}-1`).inspect();
  return { ended, collected, memoryBytes: HostConfig.Memory ?? 0 };
}

/** What `runBesideProgram` gives where nothing is hidden. */
export const besideProgram = {
  ended: { exitCode: 0, stderr: '', stdout: 'config: default\ndefaultdeep' },
  collected: { ok: true, value: { files: [{ path: '/app/result.json', sizeBytes: 5 }] } },
};
