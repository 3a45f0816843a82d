// Pages that change while somebody looks. A stream says what has changed; the parts concerned are fetched and only what is
// different in them is touched. A page that nobody sees listens to nothing: it catches up when it is seen again.

const stage = document.querySelector("[data-live]");
const parts = () => [...document.querySelectorAll("[data-part]")];
/** Between two fetches, and before a stream that was refused is asked for again, in milliseconds. */
const GAP = 1000;
const LONGEST_GAP = 30000;
const PATIENCE = 30000;
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

/** Puts what a page holds in the place of a part, or of those of its children that came along; of a whole page all. */
function put(part, page, isAll) {
  const fresh = page.getElementById(part.id);
  if (!fresh) return isAll && part.replaceChildren();
  if (isAll || !("each" in part.dataset)) return morph(part, fresh);
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
  const answer = await fetch(url, { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(PATIENCE) });
  if (answer.status >= 500) throw new Error(answer.statusText);
  return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : undefined;
}

async function refresh() {
  if (isBusy) return;
  isBusy = true;
  let gap = GAP;
  while (wanted) {
    const { numbers, isAll, of } = wanted;
    const failed = wanted;
    wanted = undefined;
    const concerned = parts().filter((part) => numbers || part.dataset.on === "steps");
    try {
      for (const address of new Set(concerned.map((part) => part.dataset.part))) {
        const page = await fetched(address, isAll ? "*" : [...of].join(","));
        if (page) concerned.filter((part) => part.dataset.part === address).forEach((part) => put(part, page, isAll));
      }
      if (concerned.length) document.dispatchEvent(new CustomEvent("dashtray:live"));
      gap = GAP;
    } catch {
      // The server is away. The stream has told of this and will not tell of it again.
      join(failed);
      gap = Math.min(2 * gap, LONGEST_GAP);
    }
    await new Promise((done) => setTimeout(done, gap));
  }
  isBusy = false;
}

/** Adds something to what is to be fetched. */
function join({ numbers, isAll, of }) {
  wanted ??= { numbers: false, of: new Set(), isAll: false };
  wanted.numbers ||= numbers;
  wanted.isAll ||= isAll;
  of.forEach((id) => wanted.of.add(id));
}

function want(event) {
  seen = event.lastEventId;
  const of = event.data === "*" ? [] : event.data.split(",");
  const numbers = event.type === "numbers";
  join({ numbers, isAll: numbers && of.length === 0, of });
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
