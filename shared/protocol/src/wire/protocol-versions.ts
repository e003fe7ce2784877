/**
 * Protocol versions that this release speaks, best first. From `resumptionProtocol` on, a hello may bring the
 * delegation of the node's last session instead of a new one; from `checkpointProtocol` on, an assignment may name a folder
 * that is saved when the attempt is stopped. From `keptOutputsProtocol` on, an output may be optional, a receipt may tell of
 * links, packed files and skipped outputs, and a log may have a gap. From `imagePlatformProtocol` on, it may say that an image is
 * not made for the node. From `fabricProtocol` on, an offer may say of a device that its NVLink is degraded. From
 * `registryProtocol` on, a receipt may say that the registry or the image is what failed. From `imageBudgetProtocol` on, it may
 * say that the image is larger than what the node gives to images. From `emptyFoldersProtocol` on, it names the outputs that are
 * folders without a file.
 */
export const protocolVersions: readonly number[] = [11, 10, 7, 6, 5, 4, 3, 2, 1];
export const resumptionProtocol = 2;
export const checkpointProtocol = 3;
export const keptOutputsProtocol = 4;
export const imagePlatformProtocol = 5;
export const fabricProtocol = 6;
export const registryProtocol = 7;
export const imageBudgetProtocol = 10;
export const emptyFoldersProtocol = 11;
