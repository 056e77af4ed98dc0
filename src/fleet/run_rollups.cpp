#include "fleet/run_rollups.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <tuple>

#include "base/json.h"
#include "durable/journal.h"
#include "fleet/run_changes.h"

namespace slipway::fleet {

using base::Instant;
using durable::RunStatus;

namespace {

constexpr std::int64_t kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;
constexpr std::array kLevels{kDay, kHour, kMinute};
constexpr std::int64_t kForEver = std::numeric_limits<std::int64_t>::max() / 2 / kDay * kDay;
constexpr std::string_view kEveryone = "*";
constexpr std::int64_t kPageMax = 1'000;
constexpr std::int64_t kFarAhead = 5'000;    // changes that are no ends, until the cursor moves over them by itself
constexpr std::size_t kTimingsOfAType = 3;   // runs of a page whose steps are looked at: a flood costs no more
constexpr std::size_t kTimingsOfAPage = 30;  // of all types
constexpr std::int64_t kJournalMax = 2'000;  // events; a longer journal says little, and is slow to read

std::int64_t floor_to(std::int64_t at, std::int64_t level) { return (at >= 0 ? at : at - level + 1) / level * level; }
std::int64_t ceil_to(std::int64_t at, std::int64_t level) { return floor_to(at + level - 1, level); }

RunStatus status_of(const std::string& name) {
  RunStatus status{};
  if (!boost::describe::enum_from_string(name.c_str(), status))
    throw base::internal_error("rollups: '" + name + "' was written by a newer version");
  return status;
}

EndedRun from_change(const std::string& owner, const std::string& data) {
  const auto change = json::parse<RunChange>(data, json::Mode::lenient);
  return {.id = base::RunId(change.id),
          .owner_id = owner,
          .type = change.type,
          .status = change.status,
          .started_at = change.started_at,
          .duration = base::Duration(change.duration_ms.value_or(0)),
          .failure_code = change.error ? change.error->code : ""};
}

#define ENDED_RUN "r.id, r.owner_id, r.type, r.status, r.started_at, r.completed_at, r.error_code "
#define IS_AN_END "type IN ('run.completed', 'run.failed', 'run.cancelled')"

EndedRun from_run(const store::Row& row) {
  return {.id = base::RunId(row.text(0)),
          .owner_id = row.text(1),
          .type = row.text(2),
          .status = status_of(row.text(3)),
          .started_at = row.instant(4),
          .duration = std::max(base::Duration(0), row.instant(5) - row.instant(4)),
          .failure_code = row.text_or_null(6).value_or("")};
}

struct State {
  std::int64_t turn, feed_cursor, minutes_from;
};
State to_state(const store::Row& row) { return {row.integer(0), row.integer(1), row.integer(2)}; }
State read_state(store::Transaction& tx) {
  return to_state(tx.query("SELECT turn, feed_cursor, minutes_from FROM run_rollup_state WHERE id = 1").at(0));
}

// ---- reading

// From `from` (included) to `to`: what of it is whole days, hours and minutes.
struct Segment {
  std::int64_t level, from, to;
};
std::vector<Segment> segments_of(std::int64_t from, std::int64_t to) {
  std::vector<Segment> segments;
  const auto add = [&](std::int64_t level, std::int64_t first, std::int64_t last) {
    if (first < last) segments.push_back({level, first, last});
  };
  const auto whole = [&](std::size_t coarser, std::int64_t first, std::int64_t last, auto&& self) -> void {
    const auto level = kLevels.at(coarser);
    const auto inner_first = ceil_to(first, level), inner_last = floor_to(last, level);
    if (inner_first >= inner_last) {
      if (coarser + 1 < kLevels.size()) self(coarser + 1, first, last, self);
      return;
    }
    if (coarser + 1 < kLevels.size()) self(coarser + 1, first, inner_first, self);
    add(level, inner_first, inner_last);
    if (coarser + 1 < kLevels.size()) self(coarser + 1, inner_last, last, self);
  };
  whole(0, from, to, whole);
  return segments;
}

class Tallying {
 public:
  Tallying(store::Transaction& tx, const Scope& scope, const std::optional<std::string>& type)
      : tx_(tx), scope_(scope), type_(type) {}

  void add_rollups(const Segment& segment) {
    for (const auto& row : tx_.query(
             "SELECT type, completed, failed, cancelled, duration_sum_ms, durations, failures FROM run_rollups "
             "WHERE owner_id = $1 AND level_ms = $2 AND bucket >= $3 AND bucket < $4 AND (type = $5 OR $5 IS NULL)",
             {scope_.owner_id().value_or(std::string(kEveryone)), segment.level, segment.from, segment.to, type_}))
      tallies_[row.text(0)].merge(to_tally(row, 1));
  }
  void add_runs(std::int64_t since, std::int64_t until) {
    if (since >= until) return;
    for (const auto& row :
         tx_.query("SELECT " ENDED_RUN "FROM runs r WHERE r.completed_at IS NOT NULL AND r.started_at >= $1 "
                   "AND r.started_at < $2 AND (r.owner_id = $3 OR $3 IS NULL) AND (r.type = $4 OR $4 IS NULL)",
                   {since, until, scope_.owner_id(), type_}))
      add(from_run(row));
  }
  // Ends that the rollups have not counted, of runs that started in [since, until).
  void add_uncounted(std::int64_t cursor, std::int64_t since, std::int64_t until) {
    for (const auto& row : tx_.query("SELECT owner_id, data FROM changes WHERE seq > $1 AND " IS_AN_END
                                     " AND (owner_id = $2 OR $2 IS NULL)",
                                     {cursor, scope_.owner_id()})) {
      const auto run = from_change(row.text(0), row.text(1));
      const auto start = base::to_unix_ms(run.started_at);
      if (start >= since && start < until && (!type_ || run.type == *type_)) add(run);
    }
  }
  TallyByType take() { return std::move(tallies_); }

  static RunTally to_tally(const store::Row& row, std::size_t first) {
    RunTally tally{.completed = row.integer(first),
                   .failed = row.integer(first + 1),
                   .cancelled = row.integer(first + 2),
                   .duration_sum_ms = row.integer(first + 3),
                   .durations = DurationHistogram::parse(row.text(first + 4)),
                   .failures = {}};
    const auto failures = json::parse_value(row.text(first + 5));
    for (const auto& [code, count] : failures.as_object()) tally.failures[code] = count.to_number<std::int64_t>();
    return tally;
  }

 private:
  void add(const EndedRun& run) { tallies_[run.type].add(run); }

  store::Transaction& tx_;
  const Scope& scope_;
  const std::optional<std::string>& type_;
  TallyByType tallies_;
};

// ---- keeping

// Owner, level, bucket, type.
using Key = std::tuple<std::string, std::int64_t, std::int64_t, std::string>;
using Sums = std::map<Key, RunTally>;

Sums sums_of(const std::vector<EndedRun>& runs, std::int64_t minutes_from) {
  Sums sums;
  for (const auto& run : runs)
    for (const auto level : kLevels) {
      const auto start = base::to_unix_ms(run.started_at);
      if (level == kMinute && start < minutes_from) continue;
      const auto bucket = floor_to(start, level);
      sums[{run.owner_id, level, bucket, run.type}].add(run);
      sums[{std::string(kEveryone), level, bucket, run.type}].add(run);
    }
  return sums;
}

void add_stored(store::Transaction& tx, Sums& sums) {
#define STORED                                                                                        \
  "s.owner_id, s.level_ms, s.bucket, s.type, s.completed, s.failed, s.cancelled, s.duration_sum_ms, " \
  "s.durations, s.failures "
#define SAME "ON s.owner_id = k.o AND s.level_ms = k.l AND s.bucket = k.b AND s.type = k.t"
  constexpr std::string_view kSqlite =
      "SELECT " STORED
      "FROM (SELECT value->>'o' AS o, value->>'l' AS l, value->>'b' AS b, value->>'t' AS t FROM json_each($1)) k "
      "JOIN run_rollups s " SAME;
  constexpr std::string_view kPostgres =
      "SELECT " STORED
      "FROM json_to_recordset(CAST($1 AS json)) AS k(o text, l bigint, b bigint, t text) "
      "JOIN run_rollups s " SAME;
#undef SAME
#undef STORED
  json::Array keys;
  for (const auto& [key, tally] : sums) {
    const auto& [owner, level, bucket, type] = key;
    keys.push_back(json::Object{{"o", owner}, {"l", level}, {"b", bucket}, {"t", type}});
  }
  for (const auto& row :
       tx.query(tx.dialect() == store::Dialect::postgres ? kPostgres : kSqlite, {json::print_value(keys)}))
    sums.at({row.text(0), row.integer(1), row.integer(2), row.text(3)}).merge(Tallying::to_tally(row, 4));
}

void store_sums(store::Transaction& tx, const Sums& sums) {
  constexpr std::size_t kColumns = 10;
  std::vector<store::Parameter> parameters;
  parameters.reserve(sums.size() * kColumns);
  for (const auto& [key, tally] : sums) {
    const auto& [owner, level, bucket, type] = key;
    json::Object failures;
    for (const auto& [code, count] : tally.failures) failures[code] = count;
    for (auto& parameter : std::initializer_list<store::Parameter>{
             owner, level, bucket, type, tally.completed, tally.failed, tally.cancelled, tally.duration_sum_ms,
             tally.durations.print(), json::print_value(failures)})
      parameters.push_back(parameter);
  }
  tx.execute_many(
      "INSERT INTO run_rollups (owner_id, level_ms, bucket, type, completed, failed, cancelled, duration_sum_ms, "
      "durations, failures) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
      "ON CONFLICT (owner_id, level_ms, bucket, type) DO UPDATE SET completed = excluded.completed, "
      "failed = excluded.failed, cancelled = excluded.cancelled, duration_sum_ms = excluded.duration_sum_ms, "
      "durations = excluded.durations, failures = excluded.failures",
      kColumns, parameters);
}

// The newest completed ones of each type, a few.
void read_timings(store::Transaction& tx, RollupPage& page) {
  std::map<std::string, std::size_t> looked_at;
  std::size_t all = 0;
  for (auto run = page.runs.rbegin(); run != page.runs.rend() && all < kTimingsOfAPage; ++run) {
    if (run->status != RunStatus::completed || looked_at[run->type] >= kTimingsOfAType) continue;
    ++looked_at[run->type];
    ++all;
    if (durable::journal::count_events(tx, run->id) > kJournalMax) continue;
    const auto events = durable::journal::events(tx, run->id);
    if (events.empty()) continue;  // removed by now
    page.timings[run->type].push_back(durable::timing_of(durable::fold_all(events)));
  }
}

void read_backlog(store::Transaction& tx, RollupPage& page) {
  for (const auto& row : tx.query("SELECT run_id FROM run_rollup_backlog ORDER BY run_id LIMIT $1", {kPageMax}))
    page.from_backlog.push_back(row.text(0));
  if (page.from_backlog.empty()) return;
  // Those that retention removed meanwhile are in none of it.
  for (const auto& row : tx.query("SELECT " ENDED_RUN "FROM run_rollup_backlog b JOIN runs r ON r.id = b.run_id "
                                  "WHERE b.run_id <= $1 AND r.completed_at IS NOT NULL ORDER BY b.run_id",
                                  {page.from_backlog.back()}))
    page.runs.push_back(from_run(row));
  page.is_full = std::int64_t(page.from_backlog.size()) == kPageMax;
}

}  // namespace

void RunTally::add(const EndedRun& run) {
  switch (run.status) {
    case RunStatus::completed:
      ++completed;
      duration_sum_ms += run.duration.count();
      durations.add(run.duration);
      break;
    case RunStatus::failed:
      ++failed;
      ++failures[run.failure_code];
      break;
    default:
      ++cancelled;
      break;
  }
}

void RunTally::merge(const RunTally& other) {
  completed += other.completed;
  failed += other.failed;
  cancelled += other.cancelled;
  duration_sum_ms += other.duration_sum_ms;
  durations.merge(other.durations);
  for (const auto& [code, count] : other.failures) failures[code] += count;
}

TallyByType tally_runs(store::Transaction& tx, const Scope& scope, const Period& period,
                       const std::optional<std::string>& type) {
  const auto state = read_state(tx);
  const auto since = period.since ? std::clamp(base::to_unix_ms(*period.since), -kForEver, kForEver) : -kForEver;
  const auto until = period.until ? std::clamp(base::to_unix_ms(*period.until), -kForEver, kForEver) : kForEver;
  Tallying tallying(tx, scope, type);
  const auto finest = [&](std::int64_t at) { return at < state.minutes_from ? kHour : kMinute; };
  const auto first_whole = ceil_to(since, finest(since)), last_whole = floor_to(until, finest(until));
  if (first_whole >= last_whole) {
    tallying.add_runs(since, until);
    return tallying.take();
  }
  tallying.add_runs(since, first_whole);
  for (const auto& segment : segments_of(first_whole, last_whole)) tallying.add_rollups(segment);
  tallying.add_uncounted(state.feed_cursor, first_whole, last_whole);
  tallying.add_runs(last_whole, until);
  return tallying.take();
}

bool has_rollup_backlog(store::Transaction& tx) {
  return !tx.query("SELECT 1 FROM run_rollup_backlog LIMIT 1").empty();
}

bool has_rollup_of(store::Transaction& tx, const Scope& scope, const std::string& type) {
  return !tally_runs(tx, scope, {}, type).empty();
}

RollupPage read_rollup_page(store::Transaction& tx, std::int64_t settled) {
  const auto state = read_state(tx);
  RollupPage page{.turn = state.turn,
                  .feed_cursor = std::max(settled, state.feed_cursor),
                  .runs = {},
                  .from_backlog = {},
                  .timings = {}};
  for (const auto& row : tx.query("SELECT seq, owner_id, data FROM changes WHERE seq > $1 AND seq <= $2 AND " IS_AN_END
                                  " ORDER BY seq LIMIT $3",
                                  {state.feed_cursor, settled, kPageMax})) {
    page.runs.push_back(from_change(row.text(1), row.text(2)));
    if (std::int64_t(page.runs.size()) < kPageMax) continue;
    page.feed_cursor = row.integer(0);
    page.is_full = true;
  }
  page.moves_far = page.feed_cursor - state.feed_cursor > kFarAhead;
  if (page.runs.empty()) read_backlog(tx, page);
  read_timings(tx, page);
  return page;
}

bool apply_rollup_page(store::Transaction& tx, const RollupPage& page) {
  // Nobody waits here: behind this write stand those of users.
  const auto rows =
      tx.query(tx.dialect() == store::Dialect::postgres
                   ? "SELECT turn, feed_cursor, minutes_from FROM run_rollup_state WHERE id = 1 FOR UPDATE SKIP LOCKED"
                   : "SELECT turn, feed_cursor, minutes_from FROM run_rollup_state WHERE id = 1",
               std::initializer_list<store::Parameter>{});
  if (rows.empty()) return false;
  const auto state = to_state(rows.front());
  if (state.turn != page.turn) return false;
  auto sums = sums_of(page.runs, state.minutes_from);
  if (!sums.empty()) {
    add_stored(tx, sums);
    store_sums(tx, sums);
  }
  if (!page.from_backlog.empty())
    tx.execute("DELETE FROM run_rollup_backlog WHERE run_id <= $1", {page.from_backlog.back()});
  for (const auto& [type, timings] : page.timings) durable::add_timings(tx, type, timings);
  tx.execute("UPDATE run_rollup_state SET turn = turn + 1, feed_cursor = $1 WHERE id = 1", {page.feed_cursor});
  return true;
}

std::int64_t trim_rollups(store::Transaction& tx, Instant now) {
  const auto minutes_from = floor_to(base::to_unix_ms(now - kMinutesKept), kDay);
  tx.execute("UPDATE run_rollup_state SET minutes_from = $1, turn = turn + 1 WHERE id = 1 AND minutes_from < $1",
             {minutes_from});
  constexpr std::string_view kOld =
      "DELETE FROM run_rollups WHERE level_ms = $1 AND bucket < $2 AND (owner_id, bucket, type) IN "
      "(SELECT owner_id, bucket, type FROM run_rollups WHERE level_ms = $1 AND bucket < $2 LIMIT $3)";
  return tx.execute(kOld, {kMinute, minutes_from, kRemovedAtOnce});
}

}  // namespace slipway::fleet
