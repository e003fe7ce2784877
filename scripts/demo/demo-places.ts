import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { repositoryRoot } from '@capacloud/rig/repository-root';

/** Everything that the demo writes is below this ignored folder. */
export const demoDir = join(repositoryRoot, '.cache', 'demo');
export const imageCacheDir = join(repositoryRoot, '.cache', 'images');
export const keptFile = join(demoDir, 'kept.json');
export const pictureFile = join(demoDir, 'capacloud.png');
export const sceneFile = join(repositoryRoot, 'scripts', 'demo', 'scene', 'capacloud.pov');
/** Names the coordinator, and so labels its containers; two checkouts on one engine keep out of each other's way. */
export const demoName = `demo-${createHash('sha256').update(repositoryRoot).digest('hex').slice(0, 8)}.capacloud.local`;
