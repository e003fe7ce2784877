import { DataError } from './data-error.ts';
import { dataFault } from './data-fault.ts';
import { GroupWriter } from './group-writer.ts';
import { MerkleReader } from './merkle-reader.ts';
import { openForWriting } from './open-database.ts';
import { SideWriter } from './side-writer.ts';
import type { WriteRequest, WriterReply } from './write-message.ts';

/** The writer's end of the channel to the main thread. */
export interface WriterPort {
  postMessage(message: WriterReply): void;
  on(event: 'message', listener: (request: WriteRequest | 'close') => void): void;
  close(): void;
}

/** The one connection that writes. It lives in a thread so that waiting for the disk never blocks the event loop. */
export function serveWrites(port: WriterPort, path: string): void {
  const reply = (message: WriterReply) => {
    port.postMessage(message);
  };
  const database = openForWriting(path);
  const merkle = new MerkleReader(database);
  const groups = new GroupWriter(database, merkle.frontier());
  const sides = new SideWriter(database);
  // Each start takes the lease: whoever wrote before is deposed.
  const epoch = database
    .prepare<[], number>('UPDATE lease SET epoch = epoch + 1 RETURNING epoch')
    .pluck()
    .get();
  if (epoch === undefined) throw new DataError('log.damaged', `${path} has no lease.`);

  const run = ({ write, fencingEpoch }: WriteRequest) => {
    if (write.kind === 'group') {
      groups.write(write.group, fencingEpoch);
      return;
    }
    if (write.kind === 'shrink') {
      // A reader may be in its way: then it is less that is given back.
      database.pragma('wal_checkpoint(TRUNCATE)');
      return;
    }
    database.transaction(() => {
      groups.assertLeader(fencingEpoch);
      sides.write(write);
    })();
  };

  port.on('message', (request: WriteRequest | 'close') => {
    if (request === 'close') {
      database.close();
      port.close();
      return;
    }
    try {
      run(request);
      reply({ kind: 'done', id: request.id });
    } catch (error) {
      const fault = dataFault(error, path);
      reply({
        kind: 'failed',
        id: request.id,
        message: error instanceof Error ? error.message : String(error),
        ...(fault === undefined
          ? {}
          : {
              fault: { code: fault.code, message: fault.message, hint: fault.hint, isFull: fault.isFull },
            }),
      });
    }
  });
  reply({ kind: 'ready', epoch, size: merkle.size() });
}
