// My devices: the list, and what an owner does with one of them.

import { clear, onSubmit, showOutcome } from "./forms.js";
import { makeLink } from "./links.js";
import { call } from "./session.js";
import { day, explained, moment, settings, text } from "./texts.js";

const PAGE_SIZE = 50;

const view = document.getElementById("devices");
const list = view.querySelector("[data-list]");
const none = view.querySelector("[data-none]");
const more = view.querySelector("[data-more]");
const renaming = document.getElementById("rename");
const releasing = document.getElementById("release");
const handingOver = document.getElementById("hand-over");

let cursor = null;
let asked = 0; // counts, so that the answer to an earlier question changes nothing
let device = null; // of the open dialog
let link = null; // of the code that is shown

/** Show the devices as they are now. */
export async function showDevices() {
  forget();
  await load();
}

/** Leave nothing on the page that belongs to whoever was logged in. */
export function forget() {
  asked += 1;
  cursor = null;
  list.replaceChildren();
  none.hidden = true;
  more.hidden = true;
  showOutcome(view, null);
  for (const dialog of [renaming, releasing, handingOver]) dialog.close();
}

/** Connect what can be pressed. */
export function start() {
  more.addEventListener("click", load);
  for (const dialog of [renaming, releasing, handingOver]) {
    dialog.addEventListener("close", () => {
      clear(dialog.querySelector("form"));
      device = null;
    });
  }
  onSubmit(renaming.querySelector("form"), { label: tooLong }, rename);
  onSubmit(releasing.querySelector("form"), { name: isItsName }, release);
  onSubmit(handingOver.querySelector("form"), {}, handOver);
  handingOver.addEventListener("close", hideCode);
  handingOver.querySelector("[data-copy]").addEventListener("click", copyLink);
  handingOver.querySelector("[data-withdraw]").addEventListener("click", withdraw);
  addEventListener("pagehide", () => handingOver.close());
}

async function load() {
  asked += 1;
  const question = asked;
  showOutcome(view, null);
  const query = new URLSearchParams({ limit: PAGE_SIZE, ...(cursor === null ? {} : { cursor }) });
  try {
    const answer = await call("GET", `my/devices?${query}`);
    if (question !== asked) return;
    const first = answer.devices.map(item);
    list.append(...first);
    if (cursor !== null) first[0]?.querySelector("button").focus(); // the button that was pressed may be gone
    cursor = answer.cursor;
    more.hidden = cursor === null;
    none.hidden = list.childElementCount > 0;
  } catch (failure) {
    if (question === asked) showOutcome(view, explained(failure));
  }
}

function item(shown) {
  const made = document.getElementById("device").content.firstElementChild.cloneNode(true);
  const part = (selector) => made.querySelector(selector);
  made.dataset.id = shown.id;
  part("h2").textContent = shown.label || shown.name;
  part(".state").textContent = text(shown.connected ? "device_connected" : "device_not_connected");
  part(".state").classList.toggle("connected", shown.connected);
  part("[data-name]").textContent = shown.label ? shown.name : "";
  part("[data-name]").hidden = !shown.label;
  const since = shown.claimedAtMs === null ? "" : text("device_claimed_at", { time: day(shown.claimedAtMs) });
  part("[data-since]").textContent = since;
  part("[data-since]").hidden = !since;
  for (const [selector, open] of Object.entries({
    "[data-rename]": openRename,
    "[data-hand-over]": openHandOver,
    "[data-release]": openRelease,
  })) {
    part(selector).addEventListener("click", () => open(shown));
    // The same words stand at each device.
    part(selector).setAttribute("aria-label", `${part(selector).textContent}: ${shown.label || shown.name}`);
  }
  return made;
}

function open(dialog, shown, heading) {
  device = shown;
  dialog.querySelector("h1").textContent = text(heading, { device: shown.label || shown.name });
  dialog.showModal();
}

const place = () => `my/devices/${device.id}`;
const row = (id) => [...list.children].find((each) => each.dataset.id === id);

/** Show what went wrong in a dialog; a device that is somebody else's by now leaves the list. */
function failed(dialog, failure, better = {}) {
  if (failure.status === 404) {
    dialog.close();
    showDevices().then(() => showOutcome(view, text("device_gone")));
  } else if (dialog.open) {
    showOutcome(dialog, explained(failure, better));
  }
}

// -- a friendly name ---------------------------------------------------------------------------

function openRename(shown) {
  open(renaming, shown, "rename_heading");
  const input = renaming.querySelector("input");
  input.value = shown.label ?? "";
  input.select();
}

const tooLong = (label) => ([...label.trim()].length > 255 ? text("rename_too_long") : null);

async function rename(fields) {
  const label = fields.get("label").trim();
  try {
    const answer = await call("PATCH", place(), { label: label || null });
    const changed = item(answer.device);
    row(answer.device.id)?.replaceWith(changed);
    renaming.close();
    showOutcome(view, text("renamed"), "good");
    changed.querySelector("[data-rename]").focus();
  } catch (failure) {
    failed(renaming, failure, { 400: "rename_refused" });
  }
}

// -- giving it back ----------------------------------------------------------------------------

function openRelease(shown) {
  open(releasing, shown, "release_heading");
  releasing.querySelector("[data-confirm]").textContent = text("release_confirm_label", { device: shown.name });
}

const isItsName = (typed) =>
  typed.trim().normalize("NFC") === device.name ? null : text("release_confirm_wrong");

async function release() {
  const { id, name, label } = device;
  try {
    await call("POST", `${place()}/release`);
    releasing.close();
    row(id)?.remove();
    none.hidden = list.childElementCount > 0;
    showOutcome(view, text("released", { device: label || name }), "good");
    view.querySelector("h1").focus();
  } catch (failure) {
    failed(releasing, failure);
  }
}

// -- handing it over ---------------------------------------------------------------------------

function openHandOver(shown) {
  hideCode();
  open(handingOver, shown, "hand_over_heading");
}

async function handOver() {
  const { name } = device;
  try {
    const offer = await call("POST", `${place()}/offer`);
    if (!handingOver.open) return; // closed before it could be shown: it is worth nothing to anybody
    link = makeLink(settings.link, name, offer.secretKey);
    await draw(handingOver.querySelector("canvas"), link);
    const part = (selector) => handingOver.querySelector(selector);
    part("[data-device]").textContent = name;
    part("[data-secret]").textContent = offer.secretKey.match(/.{1,4}/g).join(" ");
    part("[data-until]").textContent = text("hand_over_until", { time: moment(offer.untilMs) });
    part("[data-question]").hidden = true;
    part("[data-code]").hidden = false;
    part("[data-shown]").focus();
  } catch (failure) {
    failed(handingOver, failure);
  }
}

function hideCode() {
  const part = (selector) => handingOver.querySelector(selector);
  link = null;
  for (const selector of ["[data-device]", "[data-secret]", "[data-until]"]) part(selector).textContent = "";
  part("canvas").width = 0;
  part("[data-question]").hidden = false;
  part("[data-code]").hidden = true;
}

/** Draw a code: one dot a module, which the style makes larger. */
async function draw(canvas, content) {
  const { encodeQR } = await import("./qr/index.js");
  const rows = encodeQR(content, "raw", { ecc: "medium", border: 4 });
  canvas.width = rows.length;
  canvas.height = rows.length;
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, rows.length, rows.length);
  context.fillStyle = "#000000";
  rows.forEach((dots, y) => dots.forEach((dark, x) => dark && context.fillRect(x, y, 1, 1)));
}

async function copyLink() {
  const outcome = handingOver.querySelector("[data-code] .outcome");
  try {
    await navigator.clipboard.writeText(link);
    showOutcome(outcome, text("hand_over_copied"), "good");
  } catch {
    showOutcome(outcome, text("failed"));
  }
}

async function withdraw() {
  try {
    await call("DELETE", `${place()}/offer`);
    handingOver.close();
    showOutcome(view, text("hand_over_withdrawn"), "good");
  } catch (failure) {
    if (failure.status === 404) failed(handingOver, failure);
    else showOutcome(handingOver.querySelector("[data-code] .outcome"), explained(failure));
  }
}

