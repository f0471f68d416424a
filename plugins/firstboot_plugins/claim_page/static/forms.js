// Forms: what is wrong stands at the field, what came of it below, and a second press does nothing.

import { text } from "./texts.js";

/**
 * Let a form do something when it is sent and all that is needed stands in it.
 *
 * @param {HTMLFormElement} form
 * @param {Object<string, function(string): ?string>} checks the text of what is wrong with a field, by its name
 * @param {function(FormData): Promise<void>} run
 */
export function onSubmit(form, checks, run) {
  const button = form.querySelector("button.primary:not([type])");
  form.addEventListener("input", (event) => showError(event.target, null));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    showOutcome(form, null);
    const wrong = Object.entries(checks)
      .map(([name, check]) => [form.elements[name], check])
      .filter(([input, check]) => showError(input, isShown(input) ? check(input.value) : null));
    if (wrong.length > 0) {
      wrong[0][0].focus();
      return;
    }
    button.setAttribute("aria-disabled", "true");
    try {
      await run(new FormData(form));
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}

/** Return a check that a field is not empty. */
export const required = (key) => (value) => (value.trim() ? null : text(key));

/** Say what is wrong with a password that somebody chooses. */
export function chosenPassword(value) {
  if (!value) return text("required_error_password");
  if (value.length < 6) return text("password_too_short");
  return value.length > 72 ? text("password_too_long") : null;
}

/** Show what is wrong with a field; null: nothing is. Returns whether there is something. */
export function showError(input, message) {
  const place = document.getElementById(`${input.id}-error`);
  if (place === null) return false;
  place.hidden = message === null;
  place.textContent = message ?? "";
  const others = (input.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== place.id);
  const described = message === null ? others : [place.id, ...others];
  if (described.length > 0) input.setAttribute("aria-describedby", described.join(" "));
  else input.removeAttribute("aria-describedby");
  if (message === null) input.removeAttribute("aria-invalid");
  else input.setAttribute("aria-invalid", "true");
  return message !== null;
}

/** Show what came of something in the place that a part of the page has for it; null: nothing. */
export function showOutcome(part, message, kind = "bad") {
  const place = part.matches(".outcome") ? part : part.querySelector(".outcome");
  place.hidden = message === null;
  place.classList.toggle("good", kind === "good");
  place.classList.toggle("bad", kind === "bad");
  place.textContent = message ?? "";
}

/** Empty a form, so that nothing of it is there for whoever comes next. */
export function clear(form) {
  form.reset();
  for (const input of form.querySelectorAll("input")) showError(input, null);
  for (const shown of form.querySelectorAll("[data-shows]")) show(shown);
  for (const place of form.querySelectorAll(".outcome")) showOutcome(place, null);
}

/** Let the boxes on the page show and hide the password that they are for. */
export function passwordsCanBeShown() {
  for (const box of document.querySelectorAll("[data-shows]")) box.addEventListener("change", () => show(box));
}

function show(box) {
  document.getElementById(box.dataset.shows).type = box.checked ? "text" : "password";
}

const isShown = (input) => input.closest("[hidden]") === null;
