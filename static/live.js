// Pages that change while somebody looks. A stream says what has changed; the parts concerned are fetched and only what is
// different in them is touched. A page that nobody sees listens to nothing: it catches up when it is seen again.

const stage = document.querySelector("[data-live]");
const parts = () => [...document.querySelectorAll("[data-part]")];
/** Between two fetches, and before a stream that was refused is asked for again, in milliseconds. */
const GAP = 1000;
const REFUSED = 30000;

let seen = stage?.dataset.seen;
let source;
let later; // When it is tried again.
let wanted; // What is to be fetched next.
let isBusy = false;

// What somebody opened stays open.
const kept = {
  beforeAttributeUpdated: (name, node) => !(name === "open" && node.localName === "details"),
};

function morph(old, fresh) {
  Idiomorph.morph(old, fresh, { callbacks: kept });
}

/** Puts what a page holds in the place of a part, or of those of its children that came along. */
function put(part, page) {
  const fresh = page.getElementById(part.id);
  if (!fresh) return;
  if (!("each" in part.dataset)) return morph(part, fresh);
  for (const child of [...fresh.children]) {
    const old = document.getElementById(child.id);
    if (old) morph(old, child);
  }
}

async function fetched(address, of) {
  const url = new URL(address, location.href);
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (!url.searchParams.has(name)) url.searchParams.append(name, value);
  }
  url.searchParams.set("of", of);
  const answer = await fetch(url, { headers: { "HX-Request": "true" } });
  return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : undefined;
}

async function refresh() {
  if (isBusy) return;
  isBusy = true;
  while (wanted) {
    const { numbers, isAll, of } = wanted;
    wanted = undefined;
    const concerned = parts().filter((part) => numbers || part.dataset.on === "steps");
    try {
      for (const address of new Set(concerned.map((part) => part.dataset.part))) {
        const page = await fetched(address, isAll ? "*" : [...of].join(","));
        if (page) concerned.filter((part) => part.dataset.part === address).forEach((part) => put(part, page));
      }
      document.dispatchEvent(new CustomEvent("dashtray:live"));
    } catch {
      // The server is away; the stream tells of everything again once it is back.
    }
    await new Promise((done) => setTimeout(done, GAP));
  }
  isBusy = false;
}

function want(event) {
  seen = event.lastEventId;
  const of = event.data === "*" ? [] : event.data.split(",");
  const isAll = event.type === "numbers" && of.length === 0;
  wanted ??= { numbers: false, of: new Set(), isAll: false };
  wanted.numbers ||= event.type === "numbers";
  wanted.isAll ||= isAll;
  of.forEach((id) => wanted.of.add(id));
  refresh();
}

function listen() {
  clearTimeout(later);
  source?.close();
  source = undefined;
  if (document.visibilityState !== "visible") return;
  source = new EventSource(`${stage.dataset.live}&seen=${seen}`);
  source.addEventListener("numbers", want);
  source.addEventListener("steps", want);
  // A stream that broke off comes back by itself; one that was refused does not.
  source.addEventListener("error", ({ target }) => {
    if (target.readyState === EventSource.CLOSED) later = setTimeout(listen, REFUSED);
  });
}

if (stage && !stage.dataset.live.endsWith("=")) {
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", () => source?.close());
  listen();
}
