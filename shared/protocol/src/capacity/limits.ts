/** The most memory or disk that a message may name: 1 PiB. */
export const maxSizeBytes = 2 ** 50;
/** Longest time that a task may run or wait: 30 days. */
export const maxDurationMs = 30 * 24 * 3600 * 1000;
/** The most devices in one offer: an offer has to fit a frame. */
export const maxOfferedDevices = 64;
/** The most models that one request may name. */
export const maxModels = 16;
/** The most requests of one job, the first included. */
export const maxAlternatives = 8;
