#include "providers/workstations/state_watch.h"

#include <algorithm>

namespace slipway::providers::workstations {
namespace {

constexpr std::string_view kFields = "workstations(name,state,reconciling),nextPageToken";
constexpr base::Duration kBackOffMax{10'000};
constexpr int kRestFactor = 4;  // it rests four times as long as a round took: at most a fifth of a connection is used

std::string config_of(const std::string& workstation) {
  return workstation.substr(0, workstation.rfind("/workstations/"));
}

}  // namespace

StateWatch::StateWatch(google::WorkstationsClient& client, const base::Clock& clock, WatchOptions options, Poke poke)
    : client_(client), clock_(clock), options_(options), poke_(std::move(poke)) {
  if (options_.interval_min.count() > 0) thread_ = std::jthread([this](std::stop_token stop) { work(stop); });
}

StateWatch::~StateWatch() {
  thread_.request_stop();
  changed_.notify_all();
}

void StateWatch::expect(const base::RunId& run, const std::string& workstation, const std::string& seen) {
  if (options_.interval_min.count() == 0) return;
  const auto now = clock_.monotonic();
  {
    const std::lock_guard lock(mutex_);
    auto& expectation = expected_[run];
    if (expectation.workstation != workstation) {
      expectation = {config_of(workstation), workstation, {}, now, now};
      has_new_ = true;
    }
    expectation.seen = seen;
    expectation.renewed = now;
    expectation.poked = false;
  }
  changed_.notify_all();
}

void StateWatch::work(std::stop_token stop) {
  auto back_off = base::Duration(0);
  while (!stop.stop_requested()) {
    Expectations expected;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [&] { return !expected_.empty(); });
      const auto now = clock_.monotonic();
      std::erase_if(expected_, [&](const auto& entry) { return now - entry.second.renewed > options_.forget_after; });
      expected = expected_;
      has_new_ = false;
    }
    std::erase_if(expected, [](const auto& entry) { return entry.second.poked; });
    const auto began = clock_.monotonic();
    std::map<std::string, Expectations> by_config;
    for (const auto& [run, expectation] : expected) by_config[expectation.config].emplace(run, expectation);
    bool has_failed = false;
    for (const auto& [config, of_config] : by_config) {
      try {
        look(config, of_config, stop);
      } catch (const base::Error& error) {  // of one config: the others are looked at all the same
        if (!std::exchange(has_failed, true)) back_off = std::clamp(back_off * 2, options_.interval_max, kBackOffMax);
        if (error.retry_after()) back_off = std::max(back_off, *error.retry_after());
      }
    }
    if (!has_failed) back_off = base::Duration(0);
    const auto took = clock_.monotonic() - began;
    const auto rest = std::max({interval(expected, began), back_off, base::Duration(took * kRestFactor)});
    std::unique_lock lock(mutex_);
    // Who comes new shortens the rest, but neither the least interval nor the back-off.
    const auto least = std::max(options_.interval_min, back_off);
    changed_.wait_for(lock, stop, least, [] { return false; });
    changed_.wait_for(lock, stop, rest - least, [this] { return has_new_; });
  }
}

base::Duration StateWatch::interval(const Expectations& expected, base::Instant now) const {
  auto shortest = options_.interval_max;
  for (const auto& [run, expectation] : expected) {
    const double waited = double((now - expectation.since).count());
    shortest = std::min(shortest, base::Duration(std::int64_t(waited * options_.interval_part)));
  }
  return std::max(shortest, options_.interval_min);
}

void StateWatch::look(const std::string& config, const Expectations& expected, std::stop_token stop) {
  std::map<std::string, std::string> appearances;
  if (expected.size() < options_.listed_from) {
    for (const auto& [run, expectation] : expected)
      appearances[expectation.workstation] = appearance(client_.find_workstation(expectation.workstation, stop));
  } else {
    for (const auto& workstation : client_.list_workstations(config, {.fields = std::string(kFields)}, stop).items)
      appearances[workstation.name] = appearance(workstation);
  }
  compare(expected, appearances);
}

void StateWatch::compare(const Expectations& expected, const std::map<std::string, std::string>& appearances) {
  std::vector<base::RunId> to_poke;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [run, was] : expected) {
      const auto found = appearances.find(was.workstation);
      const auto seen = found == appearances.end() ? std::string("absent") : found->second;
      const auto now = expected_.find(run);
      if (now == expected_.end() || now->second.workstation != was.workstation || now->second.seen == seen) continue;
      now->second.poked = true;
      to_poke.push_back(run);
    }
  }
  for (const auto& run : to_poke) poke_(run);
}

}  // namespace slipway::providers::workstations
