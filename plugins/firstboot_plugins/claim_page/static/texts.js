// The words of the page, and which of them says what went wrong.

const data = JSON.parse(document.getElementById("data").textContent);

export const settings = data;

/** How numbers are written: as in the page's language, where whoever looks at it lives. */
const language = document.documentElement.lang;
const place = navigator.languages.find((each) => each.split("-")[0] === language.split("-")[0]) ?? language;

/** Return a text with its marks, such as {device}, filled in. */
export function text(key, marks = {}) {
  return data.texts[key].replace(/\{(\w+)\}/g, (mark, name) => (name in marks ? marks[name] : mark));
}

/** Return an hour of today, or a day with its hour, as people write it here. */
export function moment(ms) {
  const at = new Date(ms);
  const options = { hour: "2-digit", minute: "2-digit" };
  if (at.toDateString() !== new Date().toDateString()) {
    Object.assign(options, { day: "numeric", month: "long", year: "numeric" });
  }
  return new Intl.DateTimeFormat(place, options).format(at);
}

/** Return a day as people write it here. */
export function day(ms) {
  return new Intl.DateTimeFormat(place, { dateStyle: "long" }).format(new Date(ms));
}

const BY_CODE = {
  "wrong-secret": "wrong_secret",
  "expired": "expired",
  "already-claimed": "already_claimed",
  "already-yours": "already_yours",
  "not-open": "not_open",
  "unknown-device": "device_not_found",
  "sign-up-closed": "sign_up_closed",
  "already-exists": "email_taken",
  "not-a-customer": "not_a_customer",
  "offline": "offline",
};

/**
 * Return what to tell somebody whose call has failed.
 *
 * @param {{code: string, status: number, retryAt: number | null}} failure
 * @param {Object<string, string>} better keys of texts that say it better here, by code or status
 */
export function explained(failure, better = {}) {
  const time = failure.retryAt === null ? "" : moment(failure.retryAt);
  const special = better[failure.code] ?? better[failure.status];
  if (time && failure.status === 401) return text("log_in_locked", { time });
  if (time && failure.status === 429) return text("locked", { time });
  if (special) return text(special);
  if (failure.code in BY_CODE) return text(BY_CODE[failure.code]);
  if (failure.status === 429 || failure.status >= 500) return text("busy");
  return text(better.other ?? "failed");
}
