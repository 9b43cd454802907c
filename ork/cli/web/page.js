// Keeps the page as the store is: times go on, parts come anew when something has moved, and a log
// grows while it is written. Whatever is data becomes text, never markup of its own.

// Milliseconds between two times that the page is asked for again, and how many times what that
// takes: a large page is not to keep the server busy.
const SPACING = 1000;
const SHARE = 5;
const GOING = 5000;
const LOG_CHARS_MAX = 2_000_000; // of a log that grows; its start is let go of

// -- times

const UNITS = [
  [31536000, "year"], [2592000, "month"], [604800, "week"], [86400, "day"],
  [3600, "hour"], [60, "minute"], [1, "second"],
];

function near(time) {
  const seconds = (Date.now() - time.getTime()) / 1000;
  const far = Math.floor(Math.abs(seconds));
  const unit = UNITS.find(([size]) => far >= size);
  if (!unit) return "now";
  const count = Math.floor(far / unit[0]);
  const words = `${count} ${unit[1]}${count === 1 ? "" : "s"}`;
  return seconds < 0 ? `in ${words}` : `${words} ago`;
}

function tick() {
  for (const one of document.querySelectorAll("time[datetime]")) {
    const text = near(new Date(one.dateTime));
    if (one.textContent !== text) one.textContent = text;
  }
}

// -- what can be scrolled can be reached by the keyboard

function reachable() {
  for (const one of document.querySelectorAll("pre, .wide, figure")) {
    if (one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight) {
      one.tabIndex = 0;
    }
  }
}

// -- parts that come anew

let asking = false, again = false, last = 0, spacing = SPACING;

async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  again = false;
  await new Promise((done) => setTimeout(done, Math.max(0, last + spacing - Date.now())));
  const began = Date.now();
  const text = await fetched();
  last = Date.now();
  spacing = Math.max(SPACING, SHARE * (last - began));
  asking = false;
  if (text) replace(new DOMParser().parseFromString(text, "text/html"));
  if (again) refresh();
}

async function fetched() {
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    return answer.ok ? await answer.text() : "";
  } catch {
    return ""; // the stream tells that the connection is lost, and asks again
  }
}

function replace(fresh) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const part = [...fresh.querySelectorAll("[data-live]")].find(
      (one) => one.dataset.live === old.dataset.live,
    );
    if (!part) continue;
    const key = part.innerHTML;
    if (old.shownKey === undefined ? same(old, part) : old.shownKey === key) {
      old.shownKey = key;
      continue;
    }
    const taken = document.importNode(part, true);
    taken.shownKey = key;
    keep(old, taken);
    const focused = old.contains(document.activeElement) ? address(document.activeElement) : "";
    old.replaceWith(taken);
    for (const one of taken.querySelectorAll("[data-scroll]")) {
      one.scrollLeft = Number(one.dataset.scroll);
      delete one.dataset.scroll;
    }
    if (focused) [...taken.querySelectorAll("a, summary, button")].find(
      (one) => address(one) === focused,
    )?.focus({ preventScroll: true });
  }
  if (fresh.title) document.title = fresh.title;
  document.body.dataset.sequence = fresh.body.dataset.sequence ?? "";
  tick();
  reachable();
}

// The times of a page tick, so what is shown differs from what came although nothing has moved.
function same(old, part) {
  const bare = (one) => {
    const copy = one.cloneNode(true);
    for (const time of copy.querySelectorAll("time")) time.textContent = "";
    for (const each of copy.querySelectorAll("[tabindex]")) each.removeAttribute("tabindex");
    return copy.innerHTML;
  };
  return bare(old) === bare(part);
}

function address(one) {
  return one.getAttribute("href") || (one.tagName === "SUMMARY" ? one.textContent : "");
}

// What was opened stays open, and what was scrolled stays there.
function keep(old, taken) {
  const open = new Map([...old.querySelectorAll("details")].map(
    (one) => [one.querySelector("summary")?.textContent, one.open],
  ));
  for (const one of taken.querySelectorAll("details")) {
    const was = open.get(one.querySelector("summary")?.textContent);
    if (was !== undefined) one.open = was;
  }
  const before = old.querySelectorAll(".wide, pre, figure");
  taken.querySelectorAll(".wide, pre, figure").forEach((one, index) => {
    if (before[index]?.scrollLeft) one.dataset.scroll = String(before[index].scrollLeft);
  });
}

// -- streams, which are open only while the page is seen

const streams = new Map(); // address -> what listens, where to go on, the stream itself

function stream(url, listen, at = () => "") {
  streams.set(url, { listen, at, source: null });
  if (!document.hidden) open(url);
}

function open(url) {
  const entry = streams.get(url);
  if (!entry || entry.source) return;
  const source = new EventSource(entry.at() ? `${url}?from=${entry.at()}` : url);
  entry.source = source;
  source.addEventListener("open", () => lost(false));
  source.addEventListener("error", (event) => {
    // Without data it is of the browser: the connection was cut, and it asks again by itself.
    if (event.data === undefined && entry.source === source) lost(true);
  });
  entry.listen(source);
}

function shut(url) {
  const entry = streams.get(url);
  entry?.source?.close();
  if (entry) entry.source = null;
}

function lost(is) {
  const said = document.getElementById("connection");
  if (!said || said.hidden === !is) return;
  said.hidden = !is;
}

document.addEventListener("visibilitychange", () => {
  for (const url of streams.keys()) (document.hidden ? shut : open)(url);
  if (!document.hidden) refresh();
});
addEventListener("pagehide", () => [...streams.keys()].forEach(shut));

// -- the log of an attempt, as it is written

function append(log, text) {
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 30;
  log.append(document.createTextNode(text));
  log.chars = (log.chars ?? log.textContent.length - text.length) + text.length;
  while (log.chars > LOG_CHARS_MAX && log.childNodes.length > 1) {
    log.chars -= log.firstChild.length;
    log.firstChild.remove();
  }
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function follow(log) {
  const url = log.dataset.log;
  let attempt = Number(log.dataset.attempt);
  log.scrollTop = log.scrollHeight;
  stream(url, (source) => {
    source.addEventListener("message", (event) => {
      const said = JSON.parse(event.data);
      if (said.attempt !== attempt) append(log, `\n-- attempt ${said.attempt}\n`);
      attempt = said.attempt;
      append(log, said.text);
      log.dataset.at = event.lastEventId;
    });
    source.addEventListener("end", () => {
      shut(url);
      streams.delete(url);
      refresh();
    });
  }, () => log.dataset.at);
}

// -- begin

tick();
setInterval(() => document.hidden || tick(), 1000);
// Of a run that goes on more is seen with time, though nothing is written: a bar grows.
setInterval(() => document.hidden || document.querySelector("[data-going]") && refresh(), GOING);
reachable();
addEventListener("resize", reachable);
if (document.querySelector("[data-live]")) {
  // `ready` tells of what was written after the page was made and before the stream was open.
  const moved = (event) => {
    if (String(JSON.parse(event.data).sequence) !== document.body.dataset.sequence) refresh();
  };
  stream("/events", (source) => {
    source.addEventListener("ready", moved);
    source.addEventListener("moved", moved);
  });
}
document.querySelectorAll("[data-log]").forEach(follow);
