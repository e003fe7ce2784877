import { Buffer } from 'node:buffer';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { ArtifactView, OwnedArtifactView } from '@capacloud/protocol/routes/views';
import { attemptHeaderName, readAttemptName } from '@capacloud/protocol/wire/attempt-name';
import type { OwnedArtifact } from '../ports/artifact-index.ts';
import type { ArtifactContent, ArtifactParty, ArtifactProgress } from '../ports/artifact-store.ts';
import { type ByteRange, parseRange } from './byte-range.ts';
import type { Caller } from './caller.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Handlers, RawAnswer } from './handler.ts';
import { findJob, noJob } from './job-handlers.ts';
import { pageOfRows } from './pages.ts';
import { timeText } from './views.ts';

export function artifactHandlers(
  deps: ApiDependencies,
): Handlers<
  | 'listArtifacts'
  | 'createArtifact'
  | 'appendArtifact'
  | 'getArtifactStatus'
  | 'getArtifact'
  | 'deleteArtifact'
  | 'deleteJobArtifacts'
> {
  const { artifacts, owned, store } = deps;
  return {
    listArtifacts: async ({ caller, query }) => {
      const page = await pageOfRows(query, (request) => owned.list(caller.account, request), ownedView);
      if (!page.ok) return page;
      const { usedBytes, quotaBytes } = await owned.use(caller.account);
      return accept({ ...page.value, used_bytes: usedBytes, quota_bytes: quotaBytes });
    },
    createArtifact: async ({ caller, body, headers }) => {
      const party = partyOf(caller, headers[attemptHeaderName]);
      return progressView(await artifacts.announce(party, body.sha256, body.size_bytes));
    },
    appendArtifact: async (call) => {
      const { caller, params, headers, body } = call;
      const party = partyOf(caller, headers[attemptHeaderName]);
      const appended = await artifacts.append(party, params.sha256, Number(headers['upload-offset']), body);
      if (!appended.ok && appended.refusal.code === 'artifact.offset_mismatch') {
        const status = await artifacts.status(party, params.sha256);
        call.setHeader('upload-offset', `${status?.offset ?? 0}`);
      }
      return progressView(appended);
    },
    getArtifactStatus: async ({ caller, params }) => {
      const status = await artifacts.status(partyOf(caller), params.sha256);
      return status === undefined
        ? refuse('request.not_found', 'There is no such artifact that these credentials may see.')
        : progressView(accept(status));
    },
    getArtifact: async (call) => {
      const { sha256 } = call.params;
      const opened = await artifacts.open(partyOf(call.caller), sha256);
      if (!opened.ok) return opened;
      const { sizeBytes } = opened.value;
      const ifRange = call.headers['if-range'];
      // Content never changes under its hash, so any other validator than ours asks for the whole.
      const wanted = ifRange === undefined || ifRange === `"${sha256}"` ? call.headers.range : undefined;
      const range = parseRange(typeof wanted === 'string' ? wanted : undefined, sizeBytes);
      if (range === 'unsatisfiable') {
        call.setHeader('content-range', `bytes */${sizeBytes}`);
        return refuse('request.range_invalid', `The artifact has ${sizeBytes} bytes.`);
      }
      return accept(download(sha256, opened.value, range, call.headOnly));
    },
    deleteJobArtifacts: async ({ caller, params }) => {
      const job = await findJob(store, caller, params.job);
      if (job === undefined) return noJob(params.job);
      const freed = await owned.releaseJob(job.account, job.id);
      if (!freed.ok) return freed;
      return accept({ artifacts: freed.value.artifacts, freed_bytes: freed.value.freedBytes });
    },
    deleteArtifact: async ({ caller, params }) => artifacts.release(partyOf(caller), params.sha256),
  };
}

/** `attempt` is the text of the header by which an agent says whose outputs it brings. */
function partyOf(caller: Caller, attempt?: string | number): ArtifactParty {
  if (caller.kind !== 'agent') return { kind: 'account', account: caller.account, operator: caller.operator };
  const { node } = caller;
  const ref = typeof attempt === 'string' ? readAttemptName(attempt) : undefined;
  return ref === undefined ? { kind: 'node', node } : { kind: 'node', node, attempt: ref };
}

function ownedView({ sha256, sizeBytes, createdAt, jobs }: OwnedArtifact): OwnedArtifactView {
  return { sha256, size_bytes: sizeBytes, created_at: timeText(createdAt), jobs: [...jobs] };
}

function progressView(progress: Result<ArtifactProgress>): Result<ArtifactView> {
  if (!progress.ok) return progress;
  const { sha256, sizeBytes, offset, complete } = progress.value;
  return accept({ sha256, size_bytes: sizeBytes, offset, complete });
}

function download(
  sha256: Sha256Hex,
  content: ArtifactContent,
  range: ByteRange | undefined,
  headOnly: boolean,
): RawAnswer {
  const { sizeBytes } = content;
  const { start, end } = range ?? { start: 0, end: sizeBytes - 1 };
  return {
    status: range === undefined ? 200 : 206,
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': `${end - start + 1}`,
      'accept-ranges': 'bytes',
      etag: `"${sha256}"`,
      // RFC 9530: of the whole, whatever part of it is sent.
      'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
      'content-disposition': `attachment; filename="${sha256}"`,
      ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${sizeBytes}` }),
    },
    body: headOnly || end < start ? '' : content.read(start, end),
  };
}
