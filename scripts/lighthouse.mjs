// Judges four pages five times each and prints the medians, and what costs points. Called by scripts/lighthouse.
import { launch } from "chrome-launcher";
import lighthouse from "lighthouse";

const RUNS = Number(process.env.RUNS ?? 5);
const LEAST = 95;
const JUDGED = ["performance", "accessibility", "best-practices"];
const link = new URL(process.argv[2]);

const median = (numbers) => numbers.sort((one, other) => one - other)[Math.floor(numbers.length / 2)];

// Lighthouse asks without cookies unless it is given them.
const signedIn = await fetch(link, { redirect: "manual" });
const cookie = signedIn.headers.getSetCookie().map((line) => line.split(";")[0]).join("; ");
if (!cookie) throw new Error(`the link does not sign in any more (${signedIn.status}); start the demo again`);
const own = async (path) => (await fetch(new URL(path, link), { headers: { cookie } })).text();
const first = (text, pattern) => {
  const found = text.match(pattern);
  if (!found) throw new Error(`no page like ${pattern}`);
  return found[0];
};
// Whatever is connected: pages are found, not named.
const overview = await own("/");
const dashboards = [...overview.matchAll(/\/d\/[a-z-]+/g)].map((one) => one[0]);
const dashboard = dashboards.at(-2) ?? first(overview, /\/d\/[a-z-]+/);
const pages = [
  ["overview", "/"],
  ["dashboard", dashboard],
  ["metric", first(await own(dashboard), /\/m\/[a-z_]+/)],
  ["connect", first(await own("/integrations"), /\/connect\/[a-z-]+/)],
];

const chrome = await launch({ chromeFlags: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
let isMet = true;
try {
  console.log(`medians of ${RUNS}, phone settings\n`);
  console.log(["page".padEnd(34), ...JUDGED.map((one) => one.padStart(15)), "FCP".padStart(9), "LCP".padStart(9), "TBT".padStart(9), "CLS".padStart(7)].join(""));
  for (const [name, path] of pages) {
    const runs = [];
    for (let run = 0; run < RUNS; run += 1) {
      const options = { port: chrome.port, onlyCategories: JUDGED, extraHeaders: { Cookie: cookie }, logLevel: "error" };
      runs.push((await lighthouse(new URL(path, link).href, options)).lhr);
    }
    const score = (judged) => Math.round(100 * median(runs.map((run) => run.categories[judged].score)));
    const number = (audit) => median(runs.map((run) => run.audits[audit].numericValue));
    const scores = JUDGED.map(score);
    isMet &&= scores.every((one) => one >= LEAST);
    const milliseconds = (audit) => `${Math.round(number(audit))} ms`.padStart(9);
    console.log(
      [
        `${name} ${path}`.padEnd(34),
        ...scores.map((one) => `${one}${one < LEAST ? " NOT MET" : ""}`.padStart(15)),
        milliseconds("first-contentful-paint"),
        milliseconds("largest-contentful-paint"),
        milliseconds("total-blocking-time"),
        number("cumulative-layout-shift").toFixed(3).padStart(7),
      ].join(""),
    );
    const counts = JUDGED.flatMap((judged) => runs[0].categories[judged].auditRefs).filter((ref) => ref.weight > 0);
    for (const { id } of counts) {
      const audit = runs[0].audits[id];
      if (audit.score !== null && audit.score < 0.9) console.log(`    ${Math.round(audit.score * 100)} ${audit.title} ${audit.displayValue ?? ""}`);
    }
  }
} finally {
  await chrome.kill();
}
process.exit(isMet ? 0 : 1);
