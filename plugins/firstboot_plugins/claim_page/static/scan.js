// The camera: shows its picture and reads the first claim link in it.

import { showOutcome } from "./forms.js";
import { readLink } from "./links.js";
import { text } from "./texts.js";

const LONGEST_SIDE = 720; // of the pictures that are searched: enough for a code, and quick on an old phone
const PAUSE_MS = 120;

/** Whether this browser, at this address, lets a page ask for a camera at all. */
export const canScan = () => Boolean(navigator.mediaDevices?.getUserMedia);

/** Ask for a code; returns what its link says, or null when there is none to be had. */
export async function scan() {
  const dialog = document.getElementById("scan");
  const video = dialog.querySelector("video");
  let found = null;
  let open = true;
  showOutcome(dialog, null);
  dialog.showModal();
  const closed = new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  closed.then(() => {
    open = false;
    stop(video);
  });
  try {
    const [stream, read] = await Promise.all([openCamera(), reader()]);
    video.srcObject = stream;
    if (open) await video.play();
    else stop(video);
    while (open && found === null) {
      const content = await read(video);
      found = content === null ? null : readLink(content);
      if (found?.activate) found = null;
      if (open && content !== null && found === null) showOutcome(dialog, text("scan_other_code"));
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    if (!open) found = null; // whoever has closed the dialog wants nothing of it
  } catch (error) {
    const refused = error.name === "NotAllowedError" || error.name === "SecurityError";
    if (open) showOutcome(dialog, text(refused ? "camera_refused" : "camera_missing"));
    stop(video);
    await closed;
  }
  if (open) dialog.close();
  return found;
}

const openCamera = () =>
  navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } },
  });

function stop(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

/** Return a function that reads the code in a picture: the browser's own, or ours where it has none. */
async function reader() {
  const formats = (await globalThis.BarcodeDetector?.getSupportedFormats()) ?? [];
  if (formats.includes("qr_code")) {
    const detector = new globalThis.BarcodeDetector({ formats: ["qr_code"] });
    return async (video) => (await detector.detect(video))[0]?.rawValue ?? null;
  }
  const { decodeQR } = await import("./qr/decode.js");
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return async (video) => {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    if (canvas.width === 0 || canvas.height === 0) return null;
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    try {
      return decodeQR(context.getImageData(0, 0, canvas.width, canvas.height));
    } catch {
      return null; // there is none in it
    }
  };
}
