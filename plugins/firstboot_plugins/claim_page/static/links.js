// Claim links: name and secret stand behind the #, which browsers keep to themselves.

/** Return what a claim link, or an activation link, says; null: it is neither. */
export function readLink(address) {
  const at = address.indexOf("#");
  if (at < 0) return null;
  const parts = new URLSearchParams(address.slice(at + 1));
  const read = (key) => (parts.get(key) ?? "").slice(0, 255);
  if (!read("name") && !read("activate")) return null;
  return { name: read("name"), secret: read("secret"), tenant: read("tenant"), activate: read("activate") };
}

/** Return the link with which somebody claims a device. */
export function makeLink(page, name, secret) {
  return `${page}#name=${encodeURIComponent(name)}&secret=${encodeURIComponent(secret)}`;
}

/** Return what stands in the address of the page, and take it out of there: nobody finds it in the history. */
export function takeFromAddress() {
  const found = readLink(location.href);
  if (location.hash) history.replaceState(null, "", location.pathname);
  return found;
}
