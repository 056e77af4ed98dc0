// Times, durations and sizes as people read them.

const kSecond = 1000;
const kMinute = 60 * kSecond;
const kHour = 60 * kMinute;
const kDay = 24 * kHour;
const kMonth = 30.44 * kDay;
const kYear = 365.25 * kDay;

/** "850 ms", "1.2 s", "2 min 5 s", "3 h 20 min", "5 d 2 h"; "–" when unknown. */
export function duration(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  if (ms < kSecond) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10 * kSecond) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  if (ms < kMinute) return `${Math.floor(ms / kSecond)} s`;
  if (ms < kHour) return two(ms, kMinute, "min", kSecond, "s");
  if (ms < kDay) return two(ms, kHour, "h", kMinute, "min");
  return two(ms, kDay, "d", kHour, "h");
}

function two(ms, large, largeUnit, small, smallUnit) {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeUnit}` + (rest ? ` ${rest} ${smallUnit}` : "");
}

const kCoarse = [
  [kSecond, "s", kMinute],
  [kMinute, "min", kHour],
  [kHour, "h", kDay],
  [kDay, "d", 2 * kMonth],
  [kMonth, "months", 2 * kYear],
  [kYear, "years", Infinity],
]; // unit, its name, up to where

/** "just now", "5 min ago", "in 3 s"; coarse, so that it seldom changes. */
export function relative(ms) {
  const past = ms >= 0;
  const size = Math.abs(ms);
  if (past && size < 10 * kSecond) return "just now";
  const [unit, name] = kCoarse.find(([, , below]) => size < below);
  const text = `${Math.floor(size / unit)} ${name}`;
  return past ? `${text} ago` : `in ${text}`;
}

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hour12: false,
});

export const fullTime = (iso) => full.format(new Date(iso));
export const clockTime = (iso) => clock.format(new Date(iso));

export const capitalized = (text) => text.charAt(0).toUpperCase() + text.slice(1).toLowerCase();
export const spaced = (name) => name.replaceAll("_", " ");
