// GET /v1/workflows/metrics and /v1/workflows/metrics/:type: runs in numbers, from the rollups (WF-5, WF-10).

#include <algorithm>
#include <cmath>

#include "api/query.h"
#include "api/routes.h"
#include "fleet/run_rollups.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr base::Duration kUsualPeriod = std::chrono::hours(24);
constexpr std::size_t kReasonsMax = 20;
constexpr std::string_view kOtherReasons = "OTHER";

struct MetricsQuery {
  std::optional<base::Instant> since;
  std::optional<base::Instant> until;
  std::optional<std::string> owner;
};
SLIPWAY_JSON_CAMEL(MetricsQuery, since, until, owner)
inline const json::Rules& json_rules(const MetricsQuery*) {
  static const json::Rules rules{
      {.member = "since", .description = "Runs that started then or later; without it, those of the last 24 hours"},
      {.member = "until", .description = "Runs that started before"},
      {.member = "owner", .description = "`me`: only the caller's own, also for an admin"}};
  return rules;
}

struct PeriodView {
  base::Instant from;
  base::Instant to;
};
SLIPWAY_JSON_CAMEL(PeriodView, from, to)

struct SummaryView {
  std::int64_t total = 0;
  std::int64_t completed = 0;
  std::int64_t failed = 0;
  std::int64_t cancelled = 0;
  std::optional<double> success_rate;
};
SLIPWAY_JSON_CAMEL(SummaryView, total, completed, failed, cancelled, success_rate)
inline const json::Rules& json_rules(const SummaryView*) {
  static const json::Rules rules{
      {.member = "total", .description = "Runs that started in the period and have ended"},
      {.member = "success_rate", .description = "Completed ones of all, 0 to 1; absent when there are none"}};
  return rules;
}

struct TimingView {
  std::optional<std::int64_t> p50_ms, p90_ms, p99_ms, avg_ms;
};
SLIPWAY_JSON_CAMEL(TimingView, p50_ms, p90_ms, p99_ms, avg_ms)
inline const json::Rules& json_rules(const TimingView*) {
  static const json::Rules rules{
      {.member = "p50_ms",
       .description = "From start to end of completed runs: half took no longer. Off by 0.4 % at most"},
      {.member = "p90_ms", .description = "Nine of ten took no longer"},
      {.member = "p99_ms", .description = "99 of 100 took no longer"},
      {.member = "avg_ms", .description = "The mean"}};
  return rules;
}

struct FailureReasonView {
  std::string code;
  std::int64_t count = 0;
};
SLIPWAY_JSON_CAMEL(FailureReasonView, code, count)

struct TypeMetricsView {
  std::string type;
  SummaryView summary;
  TimingView timing;
  std::vector<FailureReasonView> failure_reasons;
};
SLIPWAY_JSON_CAMEL(TypeMetricsView, type, summary, timing, failure_reasons)

struct MetricsView {
  std::optional<std::string> type;
  PeriodView period;
  SummaryView summary;
  TimingView timing;
  std::vector<FailureReasonView> failure_reasons;
  std::optional<std::vector<TypeMetricsView>> types;
  std::optional<bool> incomplete;
};
SLIPWAY_JSON_CAMEL(MetricsView, type, period, summary, timing, failure_reasons, types, incomplete)
inline const json::Rules& json_rules(const MetricsView*) {
  static const json::Rules rules{
      {.member = "failure_reasons", .description = "The most frequent first; beyond 20 codes the rest is OTHER"},
      {.member = "types", .description = "The same for each type that has runs in the period, by name"},
      {.member = "incomplete", .description = "True while runs from before an upgrade are still being counted"}};
  return rules;
}

SummaryView view_summary(const fleet::RunTally& tally) {
  SummaryView view{.total = tally.total(),
                   .completed = tally.completed,
                   .failed = tally.failed,
                   .cancelled = tally.cancelled,
                   .success_rate = {}};
  if (view.total > 0) view.success_rate = std::round(1e4 * double(tally.completed) / double(view.total)) / 1e4;
  return view;
}

TimingView view_timing(const fleet::RunTally& tally) {
  const auto ms = [&](double q) -> std::optional<std::int64_t> {
    const auto found = tally.durations.quantile(q);
    return found ? std::optional(found->count()) : std::nullopt;
  };
  TimingView view{.p50_ms = ms(0.5), .p90_ms = ms(0.9), .p99_ms = ms(0.99), .avg_ms = {}};
  if (tally.completed > 0) view.avg_ms = tally.duration_sum_ms / tally.completed;
  return view;
}

std::vector<FailureReasonView> view_failures(const fleet::RunTally& tally) {
  std::vector<FailureReasonView> reasons;
  for (const auto& [code, count] : tally.failures) reasons.push_back({code, count});
  std::ranges::sort(reasons, [](const auto& one, const auto& other) {
    return one.count != other.count ? one.count > other.count : one.code < other.code;
  });
  if (reasons.size() <= kReasonsMax) return reasons;
  FailureReasonView rest{std::string(kOtherReasons), 0};
  for (auto each = reasons.begin() + kReasonsMax; each != reasons.end(); ++each) rest.count += each->count;
  reasons.resize(kReasonsMax);
  reasons.push_back(std::move(rest));
  return reasons;
}

MetricsView view_metrics(const fleet::RunTally& tally, PeriodView period) {
  return {.type = {},
          .period = period,
          .summary = view_summary(tally),
          .timing = view_timing(tally),
          .failure_reasons = view_failures(tally),
          .types = {},
          .incomplete = {}};
}

struct Question {
  fleet::Scope scope;
  fleet::Period period;
  PeriodView shown;
};

Question read_question(const Call& call) {
  const auto query = parse_query<MetricsQuery>(call);
  if (query.owner && *query.owner != "me") throw base::validation_error("owner", "must be 'me'", json::Array{"me"});
  const auto now = call.hub.clock.now();
  // Whole minutes cost least; and what has no end takes in whatever a replica with a faster clock has started.
  const auto usual = std::chrono::floor<std::chrono::minutes>(query.until.value_or(now) - kUsualPeriod);
  fleet::Period period{query.since.value_or(std::chrono::time_point_cast<base::Duration>(usual)), query.until};
  if (period.until && *period.until < *period.since) throw base::validation_error("until", "is before since");
  const PeriodView shown{*period.since, query.until.value_or(std::max(now, *period.since))};
  return {query.owner ? fleet::Scope::owner(call.caller->user) : call.caller->scope(), period, shown};
}

Answer get_all(Call& call) {
  const auto question = read_question(call);
  fleet::TallyByType tallies;
  bool incomplete = false;
  co_await read(call.hub, [&](store::Transaction& tx) {
    tallies = fleet::tally_runs(tx, question.scope, question.period);
    incomplete = fleet::has_rollup_backlog(tx);
  });
  fleet::RunTally overall;
  std::vector<TypeMetricsView> types;
  for (const auto& [type, tally] : tallies) {
    overall.merge(tally);
    types.push_back({type, view_summary(tally), view_timing(tally), view_failures(tally)});
  }
  auto view = view_metrics(overall, question.shown);
  view.types = std::move(types);
  if (incomplete) view.incomplete = true;
  co_return call.success(200, json::to_value(view));
}

Answer get_one(Call& call) {
  const auto question = read_question(call);
  const auto& type = call.parameters.at(0);
  const auto& workflows = call.hub.engine.workflows();
  fleet::TallyByType tallies;
  bool incomplete = false, is_known = workflows.contains(type);
  co_await read(call.hub, [&](store::Transaction& tx) {
    tallies = fleet::tally_runs(tx, question.scope, question.period, type);
    incomplete = fleet::has_rollup_backlog(tx);
    is_known = is_known || !tallies.empty() || fleet::has_rollup_of(tx, question.scope, type);
  });
  if (!is_known) {
    json::Array known;
    for (const auto& [name, workflow] : workflows) known.emplace_back(name);
    throw base::Error(base::ErrorClass::user, "NOT_FOUND", "there is no workflow type '" + type + "'",
                      json::Object{{"allowed", std::move(known)}});
  }
  auto view = view_metrics(tallies[type], question.shown);
  view.type = type;
  if (incomplete) view.incomplete = true;
  co_return call.success(200, json::to_value(view));
}

}  // namespace

void add_run_metrics_routes(Router& router) {
  router.add(
      net::Method::get, "/v1/workflows/metrics", Permission::member, get_all,
      {.id = "getRunMetrics",
       .tag = "Metrics",
       .summary = "How runs have ended and how long they took, in all and by type",
       .description = "Of runs that started in the period and have ended: a member's own, an admin's everyone's.",
       .query = query_of<MetricsQuery>(),
       .answer = one<MetricsView>()});
  router.add(net::Method::get, "/v1/workflows/metrics/:type", Permission::member, get_one,
             {.id = "getRunMetricsOfType",
              .tag = "Metrics",
              .summary = "How runs of one type have ended and how long they took",
              .query = query_of<MetricsQuery>(),
              .answer = one<MetricsView>()});
}

}  // namespace slipway::api
