#include "app/workstation_metrics.h"

#include "api/call.h"
#include "google/error.h"
#include "workflows/workstation_request.h"

namespace slipway::app {
namespace {

using durable::EventType;

constexpr base::Duration kPause = std::chrono::seconds(5);
constexpr const char* kOther = "OTHER";  // an error code, or a tier, that nobody declared
// From what a cloud takes when all is well to where it is given up (WP-10, WP-13).
const std::vector<double> kBuckets{5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1'800};

// Codes are a label, so there must be few, and all of them known before the first failure.
std::set<std::string> known_error_codes() {
  std::set<std::string> codes{kOther,
                              "CIRCUIT_OPEN",
                              "CONNECTION_CLOSED",
                              "CONNECTION_FAILED",
                              "CREATION_TIMED_OUT",
                              "CREDENTIALS_INVALID",
                              "INTERNAL_ERROR",
                              "NAME_TAKEN",
                              "NETWORK_NOT_CONFIGURED",
                              "NOT_FOUND",
                              "TIMED_OUT",
                              "TIMEOUT",
                              "TLS_FAILED",
                              "VALIDATION_ERROR"};
  for (const auto& row : google::policy()) codes.emplace(row.code);
  return codes;
}

// From here on its user can use it: the mail and the event may come much later, when their servers are down, and a
// cancel may come between.
constexpr std::string_view kReadyStep = "update-record";

bool says_ready(const durable::Event& event) {
  return event.type == EventType::step_completed && event.step == kReadyStep && !event.data.contains("takenOver");
}

bool was_ready(const durable::RunState& state) {
  const auto* step = state.find(kReadyStep);
  return step != nullptr && step->ended_as == durable::StepStatus::completed;
}

}  // namespace

WorkstationMetrics::WorkstationMetrics(net::IoContext& io, observe::Registry& registry, const fleet::Tiers& tiers,
                                       const base::Clock& clock)
    : registry_(registry), tiers_(tiers), clock_(clock), error_codes_(known_error_codes()), stopping_(io) {
  for (const auto& tier : tiers.all()) declare(tier.name);
  declare(kOther);
  register_gauges();
}

void WorkstationMetrics::declare(const std::string& tier) {
  durations(tier);
  successes(tier);
  for (const auto& code : error_codes_) failures(tier, code);
}

observe::Histogram WorkstationMetrics::durations(const std::string& tier) {
  return registry_.histogram("workstation_provisioning_duration_seconds",
                             "From an order to a workstation that can be used.", kBuckets, {{"tier", tier}});
}

observe::Counter WorkstationMetrics::successes(const std::string& tier) {
  return registry_.counter("workstation_provisioning_success_total", "Provisionings that gave a workstation.",
                           {{"tier", tier}});
}

observe::Counter WorkstationMetrics::failures(const std::string& tier, const std::string& error_code) {
  return registry_.counter("workstation_provisioning_failure_total", "Provisionings that failed for good.",
                           {{"tier", tier}, {"error_code", error_code}});
}

std::string WorkstationMetrics::tier_label(const durable::RunRecord& run) const {
  const auto* input = run.input.if_object();
  const auto* tier = input != nullptr ? input->if_contains("tier") : nullptr;
  if (tier == nullptr || !tier->is_string() || tiers_.find(tier->get_string()) == nullptr) return kOther;
  return std::string(tier->get_string());
}

void WorkstationMetrics::count(const durable::RunRecord& run, const durable::RunState& state,
                               const std::vector<durable::Event>& events) {
  if (run.type != workflows::kProvisionType) return;
  for (const auto& event : events) {
    if (says_ready(event)) {
      const auto taken = std::max(base::Duration(0), event.at - run.started_at);
      successes(tier_label(run)).increment();
      durations(tier_label(run)).observe(double(taken.count()) / 1'000.0);
    } else if (event.type == EventType::run_failed && !was_ready(state)) {
      const auto code = state.failure && error_codes_.contains(state.failure->code) ? state.failure->code : kOther;
      failures(tier_label(run), code).increment();
    }
  }
}

void WorkstationMetrics::register_gauges() {
  using Kind = observe::Registry::Kind;
  gauges_.push_back(registry_.read(Kind::gauge, "workstation_provisioning_oldest_seconds",
                                   "For how long the oldest provisioning is under way; 0 while there is none.", {},
                                   [this] {
                                     const auto since = census_.oldest_creating.value_or(clock_.now());
                                     return std::max(0.0, double((clock_.now() - since).count()) / 1'000.0);
                                   }));
  gauges_.push_back(registry_.read(Kind::gauge, "slipway_workstations_waiting_for_quota",
                                   "Workstations for which the cloud has no room now, counted now and then.", {},
                                   [this] { return double(census_.waiting_for_quota); }));
  gauges_.push_back(registry_.read_many(
      Kind::gauge, "slipway_workstations", "Workstations, over all replicas, counted now and then.", [this] {
        std::vector<observe::Registry::Sample> samples;
        for (const auto& [tier, status, count] : census_.counts)
          samples.push_back({{{"tier", tier}, {"status", boost::describe::enum_to_string(status, "")}}, double(count)});
        return samples;
      }));
}

WorkstationMetrics::Census WorkstationMetrics::take_census(store::Transaction& tx) {
  fleet::WorkstationFilter waiting;
  waiting.waiting_for = "quota";
  return {.oldest_creating = fleet::oldest_creating(tx),
          .waiting_for_quota = fleet::count_workstations(tx, fleet::Scope::everything("the hub counts"), waiting),
          .counts = fleet::count_by_tier(tx)};
}

void WorkstationMetrics::stop() {
  stopped_ = true;
  stopping_.notify_all();
}

net::Awaitable<void> WorkstationMetrics::run(api::Hub& hub) {
  while (!stopped_) {
    try {
      Census census;
      co_await api::read(hub, [&](store::Transaction& tx) { census = take_census(tx); });
      show(std::move(census));
    } catch (...) {
      hub.log.error("workstations could not be counted, and it is tried again",
                    base::as_error(std::current_exception()), {});
    }
    if (!stopped_) co_await stopping_.wait_for(kPause);
  }
}

}  // namespace slipway::app
