import type { BookView } from '@capacloud/protocol/routes/market-views';
import type { BookClass, BookLevel } from '../ports/market-answers.ts';
import type { ApiDependencies } from './dependencies.ts';
import { timeText } from './views.ts';

/** Looking at every node is not done anew for each reader. */
const keptForMs = 2000;
const maxClasses = 200;

/** What is asked now, or was a moment ago. */
export class MarketBook {
  readonly #deps: Pick<ApiDependencies, 'questions' | 'now'>;
  #kept: { readonly at: number; readonly view: Promise<BookView> } | undefined;

  constructor(deps: Pick<ApiDependencies, 'questions' | 'now'>) {
    this.#deps = deps;
  }

  view(): Promise<BookView> {
    const at = this.#deps.now();
    if (this.#kept === undefined || at - this.#kept.at >= keptForMs)
      this.#kept = { at, view: this.#read(at) };
    return this.#kept.view;
  }

  async #read(at: number): Promise<BookView> {
    const classes = await this.#deps.questions.book();
    return {
      at: timeText(at),
      classes: classes.slice(0, maxClasses).map(classView),
      more_classes: Math.max(0, classes.length - maxClasses),
    };
  }
}

function classView({
  allLevels,
  deviceClass,
  free,
  levels,
  total,
  unit,
}: BookClass): BookView['classes'][number] {
  return {
    device_class: deviceClass,
    unit,
    total,
    free,
    levels: levels.map(levelView),
    more_levels: allLevels - levels.length,
  };
}

function levelView({
  ask,
  discountPercent,
  free,
  nodes,
  providers,
  total,
}: BookLevel): BookView['classes'][number]['levels'][number] {
  return {
    device_hour_nano: `${ask.deviceHourNano}`,
    cpu_hour_nano: `${ask.cpuHourNano}`,
    memory_gib_hour_nano: `${ask.memoryGibHourNano}`,
    disk_gib_hour_nano: `${ask.diskGibHourNano}`,
    ...(discountPercent === undefined ? {} : { interruptible_discount_percent: discountPercent }),
    nodes,
    providers,
    total,
    free,
  };
}
