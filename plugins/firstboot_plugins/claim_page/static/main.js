// The page: which view is shown, and what its forms do.

import * as devices from "./devices.js";
import { chosenPassword, clear, onSubmit, passwordsCanBeShown, required, showOutcome } from "./forms.js";
import { takeFromAddress } from "./links.js";
import { canScan, scan } from "./scan.js";
import * as session from "./session.js";
import { explained, settings, text } from "./texts.js";

const NEEDS_LOGIN = ["claim", "claimed", "devices"];
const form = (view) => document.querySelector(`#${view} form`);

let device = { name: "", secret: "", tenant: "" }; // what a link or a code has said, until it is claimed
let activation = null;

// -- views ---------------------------------------------------------------------------------------

function show(view) {
  const wanted = NEEDS_LOGIN.includes(view) && session.who() === null ? "log-in" : view;
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== wanted;
  for (const button of document.querySelectorAll("nav button")) {
    if (button.dataset.view === wanted) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  document.getElementById("loading").hidden = true;
  showWhen("logged-in", session.who() !== null);
  showWhen("logged-out", session.who() === null);
  document.querySelector("[data-who]").textContent =
    session.who() === null ? "" : text("logged_in_as", { email: session.who() });
  const heading = document.getElementById(`${wanted}-heading`);
  document.title = heading.textContent === text("title") ? text("title") : `${heading.textContent} – ${text("title")}`;
  heading.focus();
  if (wanted === "devices") devices.showDevices();
}

function showWhen(what, is) {
  for (const part of document.querySelectorAll(`[data-when="${what}"]`)) part.hidden = !is;
}

function maySignUp() {
  return settings.signUpTenants === 1 || (settings.signUpTenants > 1 && device.tenant !== "");
}

/** Put what is known of the device into the forms. Nothing is sent: whoever looks at it has to ask for that. */
function fillIn() {
  for (const view of ["claim", "sign-up"]) {
    form(view).elements.name.value = device.name;
    form(view).elements.secret.value = device.secret;
  }
  const waiting = document.querySelector("[data-waiting]");
  waiting.hidden = !device.name;
  waiting.textContent = device.name ? text("device_waits", { device: device.name }) : "";
  document.querySelector("[data-hint]").textContent = text(device.name ? "check_hint" : "claim_hint");
  showWhen("sign-up", maySignUp());
}

function know(found) {
  device = { name: found.name, secret: found.secret, tenant: found.tenant || device.tenant };
  fillIn();
}

function forget() {
  device = { name: "", secret: "", tenant: device.tenant };
  for (const each of document.querySelectorAll("form")) clear(each);
  document.querySelector("[data-claimed]").textContent = "";
  devices.forget();
  fillIn();
}

/** Say what is claimed, and with what. Without a field for it the secret is the link's, of that device only. */
function claimFields(fields) {
  const deviceName = fields.get("name").trim();
  const linked = deviceName === device.name ? device.secret : "";
  const typed = fields.get("secret");
  const secret = typed === linked ? linked : typed.trim(); // a secret of a device may have spaces around it
  return { deviceName, secretKey: settings.showSecret ? secret : linked };
}

// -- what the forms do ---------------------------------------------------------------------------

const deviceChecks = {
  name: required("required_error_device"),
  secret: required("required_error_secret_key"),
};
const emailCheck = required("required_error_email");

onSubmit(form("log-in"), { email: emailCheck, password: required("required_error_password") }, async (fields) => {
  try {
    await session.logIn(fields.get("email").trim(), fields.get("password"));
    clear(form("log-in"));
    show(form("claim").elements.name.value ? "claim" : "devices"); // of a link, or typed before the session ended
  } catch (failure) {
    showOutcome(form("log-in"), explained(failure, { 401: "wrong_password", 400: "wrong_password" }));
  }
});

onSubmit(form("sign-up"), { email: emailCheck, password: chosenPassword, ...deviceChecks }, async (fields) => {
  const person = { email: fields.get("email").trim(), password: fields.get("password") };
  try {
    const answer = await session.signUp({ ...person, ...claimFields(fields), tenant: device.tenant || null });
    claimed(answer.device);
  } catch (failure) {
    showOutcome(form("sign-up"), explained(failure, { 400: "email_wrong", other: "failed_claim_device" }));
  }
});

onSubmit(form("activation"), { password: chosenPassword }, async (fields) => {
  try {
    const answer = await session.activate(activation, fields.get("password"));
    activation = null;
    clear(form("activation"));
    if (answer.csrf === null) {
      show("log-in");
      showOutcome(form("log-in"), text("activation_done_elsewhere"), "good");
    } else {
      show("claim");
    }
  } catch (failure) {
    showOutcome(form("activation"), explained(failure, { 400: "activation_refused" }));
  }
});

onSubmit(form("claim"), deviceChecks, async (fields) => {
  try {
    const answer = await session.call("POST", "claims", claimFields(fields));
    claimed(answer.device);
  } catch (failure) {
    if (session.who() === null) return; // the view that is shown now says so
    showOutcome(form("claim"), explained(failure, { other: "failed_claim_device" }));
  }
});

function claimed(owned) {
  forget();
  document.querySelector("[data-claimed]").textContent = owned.label || owned.name;
  show("claimed");
}

// -- what can be pressed -------------------------------------------------------------------------

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (button === null) return;
  if ("view" in button.dataset) show(button.dataset.view);
  if ("close" in button.dataset) button.closest("dialog").close();
  if ("logOut" in button.dataset) await logOut();
  if ("scan" in button.dataset) {
    const found = await scan();
    if (found === null) return;
    const scanned = button.closest("form");
    know(found);
    showOutcome(scanned, text("scan_found"), "good");
    scanned.querySelector("button.primary").focus();
  }
});

async function logOut() {
  try {
    await session.logOut();
  } catch (failure) {
    const view = document.querySelector("main > section:not([hidden])");
    if (view.querySelector(".outcome")) showOutcome(view, explained(failure));
    return;
  }
  forget();
  show("log-in");
  showOutcome(form("log-in"), text("logged_out"), "good");
}

session.onEnd(() => {
  devices.forget();
  show("log-in");
  showOutcome(form("log-in"), text("session_over"));
});

// -- the beginning -------------------------------------------------------------------------------

/** Show what the address asks for. */
function follow(found) {
  activation = found?.activate || null;
  if (found?.name) know(found);
  else fillIn();
  if (activation !== null) show("activation");
  else show(session.who() === null || device.name ? "claim" : "devices");
}

async function start() {
  const found = takeFromAddress(); // first of all: whatever happens then, it is out of sight
  showWhen("secret", settings.showSecret);
  showWhen("camera", canScan());
  passwordsCanBeShown();
  devices.start();
  addEventListener("hashchange", () => location.hash && follow(takeFromAddress()));
  addEventListener("pagehide", () => clear(form("claim")));
  let failure = null;
  try {
    await session.restore();
  } catch (error) {
    failure = error;
  }
  follow(found);
  if (failure !== null) showOutcome(document.querySelector("main > section:not([hidden])"), explained(failure));
}

start();
