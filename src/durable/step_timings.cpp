#include "durable/step_timings.h"

#include <algorithm>

#include "base/json.h"

namespace slipway::durable {
namespace {

constexpr std::size_t kStepsMax = 200;  // of one run; what has more is a loop, whose steps say little
constexpr double kUnderWayAtMost = 0.99;

bool is_item(std::string_view key) { return key.ends_with(']'); }

Duration median_of(std::vector<Duration> durations) {
  const auto middle = durations.begin() + std::ptrdiff_t(durations.size() / 2);
  std::ranges::nth_element(durations, middle);
  return *middle;
}

// What each step is expected to take: those that at least half of the runs had.
std::map<std::string, Duration> expected_steps(const TypeTimings& timings) {
  std::map<std::string, std::vector<Duration>> took;
  for (const auto& run : timings)
    for (const auto& [key, duration] : run.steps) took[key].push_back(duration);
  std::map<std::string, Duration> expected;
  for (auto& [key, durations] : took)
    if (durations.size() * 2 >= timings.size()) expected[key] = std::max(Duration(1), median_of(std::move(durations)));
  return expected;
}

std::int64_t to_percent(double done, double all) {
  return all <= 0 ? 0 : std::clamp<std::int64_t>(std::int64_t(100 * done / all), 0, 99);
}

// Without history: the steps of the outline that have ended.
std::int64_t progress_by_outline(const RunState& state, const std::vector<std::string>& outline) {
  const auto ended = std::ranges::count_if(outline, [&](const std::string& key) {
    const auto* step = state.find(key);
    return step != nullptr && step->is_recorded();
  });
  return to_percent(double(ended), double(outline.size()));
}

}  // namespace

RunTiming timing_of(const RunState& completed) {
  const auto length = [](Instant from, Instant to) { return std::max(Duration(0), to - from); };
  RunTiming timing{.total = length(completed.began_at, *completed.ended_at), .steps = {}};
  for (const auto& step : completed.steps) {
    if (timing.steps.size() == kStepsMax) break;
    if (!is_item(step.key) && !step.taken_over && step.started_at && step.ended_at)
      timing.steps[step.key] = length(*step.started_at, *step.ended_at);
  }
  return timing;
}

TypeTimings timings_of(store::Transaction& tx, const std::string& type) {
  const auto rows = tx.query("SELECT samples FROM step_timings WHERE type = $1", {type});
  if (rows.empty()) return {};
  return json::parse<TypeTimings>(rows.front().text(0), json::Mode::lenient);
}

void add_timings(store::Transaction& tx, const std::string& type, const std::vector<RunTiming>& newest) {
  auto timings = timings_of(tx, type);
  timings.insert(timings.end(), newest.rbegin(), newest.rend());
  if (timings.size() > kTimingsKept) timings.erase(timings.begin(), timings.end() - std::ptrdiff_t(kTimingsKept));
  tx.execute(
      "INSERT INTO step_timings (type, samples) VALUES ($1, $2) ON CONFLICT (type) DO UPDATE SET samples = "
      "excluded.samples",
      {type, json::print(timings)});
}

std::optional<Duration> usual_duration(const TypeTimings& timings) {
  if (timings.size() < kTimingsNeeded) return std::nullopt;
  std::vector<Duration> totals;
  for (const auto& run : timings) totals.push_back(run.total);
  return median_of(std::move(totals));
}

Estimate estimate(const RunState& state, const std::vector<std::string>& outline, const TypeTimings& timings,
                  Instant now) {
  if (state.is_final()) return {.progress = 100, .completion = {}};
  if (state.status == RunStatus::pending) return {};
  const auto usual = usual_duration(timings);
  const auto expected = expected_steps(timings);
  if (!usual || expected.empty()) return {.progress = progress_by_outline(state, outline), .completion = {}};

  double all = 0, done = 0;
  for (const auto& [key, weight] : expected) {
    const auto full = double(weight.count());
    all += full;
    const auto* step = state.find(key);
    if (step == nullptr || !step->started_at) continue;
    const auto elapsed = double(std::max(Duration(0), now - *step->started_at).count());
    done += step->is_recorded() ? full : std::min(elapsed, full * kUnderWayAtMost);
  }
  Estimate estimate{.progress = to_percent(done, all), .completion = {}};
  // Steps side by side, and time between steps: what is left takes its share of what the whole took.
  if (!state.is_stopping())
    estimate.completion = now + Duration(std::int64_t(double(usual->count()) * (all - done) / all));
  return estimate;
}

}  // namespace slipway::durable
