import type { Event, EventOf } from '@capacloud/core/contract/event';
import type { DeviceRequest } from '@capacloud/protocol/capacity/resources';
import { requestOf } from '@capacloud/protocol/capacity/resources';
import type { JobId, TaskId } from '@capacloud/protocol/ids';
import { jobIdOf } from '@capacloud/protocol/ids';
import { eventsOf } from '@capacloud/rig/network/public-log';

type Submitted = EventOf<'job.submitted'>;
type Assigned = EventOf<'attempt.assigned'>;
type Ended = EventOf<'attempt.ended'>;

/** A log by what belongs together. */
class Story {
  readonly jobs: readonly Submitted[];
  readonly offers: readonly EventOf<'node.offered'>[];
  readonly #events: readonly Event[];

  constructor(events: readonly Event[]) {
    this.#events = events;
    this.jobs = eventsOf(events, 'job.submitted');
    this.offers = eventsOf(events, 'node.offered');
  }

  assigned(job: JobId): readonly Assigned[] {
    return eventsOf(this.#events, 'attempt.assigned').filter(({ task }) => jobIdOf(task) === job);
  }
  ended(job: JobId): readonly Ended[] {
    return eventsOf(this.#events, 'attempt.ended').filter(({ task }) => jobIdOf(task) === job);
  }
  /** The node of an attempt. */
  nodeOf(task: TaskId, attempt: number): Assigned['node'] | undefined {
    return this.assigned(jobIdOf(task)).find((each) => each.task === task && each.attempt === attempt)?.node;
  }
  /** Whether the first comes before the second in the log, and both are there. */
  isBefore(first: Event | undefined, second: Event | undefined): boolean {
    if (first === undefined || second === undefined) return false;
    return this.#events.indexOf(first) < this.#events.indexOf(second);
  }
  archOf(node: Assigned['node'] | undefined): string | undefined {
    return this.offers.find((each) => each.node === node)?.offer.arch;
  }
}

const isSuccess = ({ then }: Ended) => then.kind === 'succeeded';

/** Courses that a log has to hold beside every type of event, each with what has to happen in it. */
const courses: Readonly<Record<string, (story: Story) => boolean>> = {
  'a gang loses one task, is stopped as a whole, starts again and succeeds': (story) =>
    story.jobs.some(({ gang, job, tasks }) => {
      const ended = story.ended(job);
      const lost = ended.find(({ then }) => then.kind === 'requeued' && then.budget === 'provider');
      const stopped = ended.find(({ reason }) => reason === 'gang_stopped');
      const again = story.assigned(job).filter(({ attempt }) => attempt === 2);
      const isTogether = again.length === tasks && again.every(({ at }) => at === again[0]?.at);
      return (
        gang === true &&
        lost?.at === stopped?.at &&
        isTogether &&
        story.isBefore(stopped, again[0]) &&
        ended.filter(isSuccess).length === tasks
      );
    }),
  'a gang asks for GPUs whose NVLink is sound, and a node whose NVLink is degraded gets none of it': (
    story,
  ) => {
    const degraded = story.offers.filter(({ offer }) =>
      offer.devices.some(({ fabric }) => fabric === 'degraded'),
    );
    const gang = story.jobs.find(({ resources }) => resources.devices?.fabric === 'sound');
    const nodes = gang === undefined ? [] : story.assigned(gang.job).map(({ node }) => node);
    return degraded.length > 0 && nodes.length > 0 && degraded.every(({ node }) => !nodes.includes(node));
  },
  'an interruptible attempt is preempted, saves a checkpoint and goes on elsewhere to a success': (story) =>
    story.jobs.some(({ checkpoint, interruptible, job }) => {
      const ended = story.ended(job);
      const preempted = ended.filter(({ reason, released }) => reason === 'preempted' && !released);
      const wentOn = preempted.filter(
        ({ attempt, task }) => story.nodeOf(task, attempt) !== story.nodeOf(task, attempt + 1),
      );
      const isSold = story.assigned(job).some((each) => each.interruptible === true);
      return (
        checkpoint === true && interruptible === true && isSold && wentOn.length > 0 && ended.some(isSuccess)
      );
    }),
  'a task is placed by the second alternative': (story) =>
    story.jobs.some(({ job, resources }) =>
      story.assigned(job).some(({ alternative = 0 }) => alternative > 0 && requestOf(resources, alternative)),
    ),
  'two tasks share a GPU': (story) =>
    story.jobs.some(({ job, resources }) => {
      const devices = story.assigned(job).map((each) => each.devices.join());
      return sharesOf(resources.devices) && devices.length > 1 && new Set(devices).size === 1;
    }),
  'a job waits in its region for a node with a label, which joins': (story) =>
    story.jobs.some((job) => {
      const [constraint] = job.constraints ?? [];
      const [assigned] = story.assigned(job.job);
      const offer = story.offers.find(({ node }) => node === assigned?.node);
      const label = constraint === undefined ? undefined : offer?.offer.labels?.[constraint.key];
      return (
        label !== undefined &&
        constraint?.values.includes(label) === true &&
        job.regions?.includes(offer?.offer.region ?? '') === true &&
        story.isBefore(job, offer)
      );
    }),
  'of two jobs that wait, the later one has the higher priority and is placed first': (story) =>
    story.jobs.some((low) =>
      story.jobs.some(
        (high) =>
          (high.priority ?? 0) > 0 &&
          (low.priority ?? 0) < 0 &&
          story.isBefore(low, high) &&
          story.isBefore(story.assigned(high.job)[0], story.assigned(low.job)[0]),
      ),
    ),
  'two owners say that an image is made for another platform, and it runs on a node of that': (story) =>
    story.jobs.some(({ job }) => {
      const ended = story.ended(job);
      const misfits = ended.filter(({ imageRunsOn }) => imageRunsOn?.includes('arm64') === true);
      const nodes = new Set(misfits.map(({ attempt, task }) => story.nodeOf(task, attempt)));
      const success = ended.find(isSuccess);
      const node = success && story.nodeOf(success.task, success.attempt);
      return nodes.size === 2 && story.archOf(node) === 'arm64';
    }),
  'attempts of a job with outputs fail by its own error, with a receipt, and one succeeds': (story) =>
    story.jobs.some(({ job, outputs }) => {
      const ended = story.ended(job);
      const failed = ended.filter(
        ({ reason, receipt }) => reason === 'exit_nonzero' && receipt !== undefined,
      );
      return outputs === true && failed.length > 1 && ended.some(isSuccess);
    }),
  'a job runs as root on a GPU that it describes in full, and not at a provider that it excludes': (story) =>
    story.jobs.some(({ excludeProviders, job, needsRoot, resources: { devices } }) => {
      const { computeCapability, cuda, memoryBytes, models, vendor } = devices ?? {};
      const isFull = [computeCapability, cuda, memoryBytes, models, vendor].every(
        (each) => each !== undefined,
      );
      return isFull && needsRoot && excludeProviders.length > 0 && story.ended(job).some(isSuccess);
    }),
  'a node takes long tasks only': (story) => story.offers.some(({ offer }) => offer.minRunMs !== undefined),
};

function sharesOf(request: DeviceRequest | undefined): boolean {
  return request?.shareMilli !== undefined;
}

/** What a log should hold and does not. */
export function missingCourses(events: readonly Event[]): readonly string[] {
  const story = new Story(events);
  return Object.entries(courses).flatMap(([course, isIn]) => (isIn(story) ? [] : [course]));
}
