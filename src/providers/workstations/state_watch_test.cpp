#include "providers/workstations/state_watch.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "google/api_client.h"
#include "google/testing/fake_google.h"
#include "net/http_client.h"

namespace slipway::providers::workstations {
namespace {

using namespace std::chrono_literals;
using base::RunId;

const std::string kConfig = "projects/p/locations/l/workstationClusters/c/workstationConfigs/starter";
const std::string kSlowConfig = "projects/p/locations/l/workstationClusters/c/workstationConfigs/slow";

std::string named(const std::string& id, const std::string& config = kConfig) { return config + "/workstations/" + id; }

// A cloud whose workstations are in the states that the test gives them. Counts what it is asked, and who was poked; a
// test awaits these counts. Thread-safe.
class Cloud {
 public:
  void set(const std::string& name, const std::string& state) {
    const std::lock_guard lock(mutex_);
    states_[name] = state;
  }
  void refuse(const std::string& config) {
    const std::lock_guard lock(mutex_);
    refused_.insert(config);
  }
  net::Response answer(const net::Request& request) {
    const std::lock_guard lock(mutex_);
    const std::string path = request.target.substr(4, request.target.find('?') - 4);  // after "/v1/"
    ++asked_[path];
    changed_.notify_all();
    if (refused_.contains(path.substr(0, path.find("/workstations"))))
      return net::json_response(429, R"({"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"slowly",)"
                                     R"("details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",)"
                                     R"("reason":"RATE_LIMIT_EXCEEDED"}]}})");
    if (path.ends_with("/workstations")) return net::json_response(200, json::print_value(list_of(path)));
    const auto found = states_.find(path);
    if (found == states_.end())
      return net::json_response(404, R"({"error":{"code":404,"status":"NOT_FOUND","message":"m"}})");
    return net::json_response(200, json::print_value(wire(*found)));
  }
  void poked(const RunId& run) {
    const std::lock_guard lock(mutex_);
    ++poked_[run];
    changed_.notify_all();
  }

  int times_asked(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return asked_[path];
  }
  int times_poked(const RunId& run) {
    const std::lock_guard lock(mutex_);
    return poked_[run];
  }
  // Until it was asked so many times more.
  void await_asked(const std::string& path, int more = 1) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&, until = asked_[path] + more] { return asked_[path] >= until; });
  }
  void await_poked(const RunId& run, int times = 1) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return poked_[run] >= times; });
  }

 private:
  static json::Value wire(const std::pair<const std::string, std::string>& workstation) {
    return json::Object{{"name", workstation.first}, {"state", workstation.second}};
  }
  json::Value list_of(const std::string& collection) const {
    json::Array all;
    for (const auto& one : states_)
      if (one.first.starts_with(collection + "/")) all.push_back(wire(one));
    return json::Object{{"workstations", std::move(all)}};
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> states_;
  std::set<std::string> refused_;  // configs
  std::map<std::string, int> asked_;
  std::map<RunId, int> poked_;
};

// The clock stands still unless the test sets it: then the interval is always the least one.
struct StateWatchTest : ::testing::Test {
  std::unique_ptr<StateWatch> watch(WatchOptions options = {.interval_min = 1ms, .interval_max = 1ms}) {
    return std::make_unique<StateWatch>(client, clock, options, [this](const RunId& run) { cloud.poked(run); });
  }
  RunId run() { return RunId("run_" + std::to_string(++runs)); }

  Cloud cloud;
  google::testing::FakeServer server{[this](const net::Request& request) { return cloud.answer(request); }};
  net::HttpClient http;
  google::testing::SetClock clock;
  google::testing::CountingTokens tokens;
  observe::Registry metrics;
  google::ApiClient api{http, tokens, clock, metrics};
  google::WorkstationsClient client{api, server.url()};
  int runs = 0;
};

// WP-10
TEST_F(StateWatchTest, PokesOnceWhenSomethingElseIsSeen) {
  const auto watching = watch();
  const auto changes = run(), stays = run();
  cloud.set(named("a"), "STATE_STARTING");
  cloud.set(named("b"), "STATE_STARTING");
  watching->expect(changes, named("a"), "STATE_STARTING");
  watching->expect(stays, named("b"), "STATE_STARTING");
  cloud.await_asked(named("a"), 3);
  EXPECT_EQ(cloud.times_poked(changes), 0);

  cloud.set(named("a"), "STATE_RUNNING");
  cloud.await_poked(changes);
  cloud.await_asked(named("b"), 3);
  const int asked = cloud.times_asked(named("a"));
  cloud.await_asked(named("b"), 3);
  EXPECT_EQ(cloud.times_poked(changes), 1);
  EXPECT_EQ(cloud.times_poked(stays), 0);
  EXPECT_EQ(cloud.times_asked(named("a")), asked) << "whoever was poked looks by himself";
}

TEST_F(StateWatchTest, PokesAgainOnlyOneWhoHasLookedAgain) {
  const auto watching = watch();
  const auto waiting = run();
  cloud.set(named("a"), "STATE_STARTING");
  watching->expect(waiting, named("a"), "absent");
  cloud.await_poked(waiting);
  watching->expect(waiting, named("a"), "STATE_STARTING");
  cloud.await_asked(named("a"), 3);
  EXPECT_EQ(cloud.times_poked(waiting), 1);
  cloud.set(named("a"), "STATE_RUNNING");
  cloud.await_poked(waiting, 2);
}

// Somebody took it away by hand: the run finds out soon.
TEST_F(StateWatchTest, WhatIsGoneIsAChangeToo) {
  const auto watching = watch();
  const auto waiting = run();
  watching->expect(waiting, named("a"), "STATE_STARTING");
  cloud.await_poked(waiting);
}

TEST_F(StateWatchTest, ForgetsWhoDoesNotLookAnyMore) {
  const auto watching = watch({.interval_min = 1ms, .interval_max = 1ms, .forget_after = 30ms});
  const auto forgotten = run(), remembered = run();
  cloud.set(named("a"), "STATE_STARTING");
  cloud.set(named("b"), "STATE_STARTING");
  watching->expect(forgotten, named("a"), "STATE_STARTING");
  watching->expect(remembered, named("b"), "STATE_STARTING");
  cloud.await_asked(named("b"), 2);
  clock.advance(20ms);
  watching->expect(remembered, named("b"), "STATE_STARTING");
  clock.advance(15ms);
  cloud.await_asked(named("b"), 2);  // the first of them may have begun before
  const int asked = cloud.times_asked(named("a"));
  cloud.await_asked(named("b"), 3);
  EXPECT_EQ(cloud.times_asked(named("a")), asked);
}

// WP-10: a few calls, however many wait
TEST_F(StateWatchTest, ManyOfOneConfigAreAskedForByOneList) {
  const auto watching = watch({.interval_min = 1ms, .interval_max = 1ms, .listed_from = 8});
  std::vector<RunId> waiting;
  const auto add = [&] {
    const auto name = named("w" + std::to_string(waiting.size()));
    cloud.set(name, "STATE_STARTING");
    waiting.push_back(run());
    watching->expect(waiting.back(), name, "STATE_STARTING");
  };
  while (waiting.size() < 7) add();
  cloud.await_asked(named("w6"), 2);
  EXPECT_EQ(cloud.times_asked(kConfig + "/workstations"), 0);

  add();
  cloud.await_asked(kConfig + "/workstations");
  const int asked = cloud.times_asked(named("w6"));
  cloud.set(named("w3"), "STATE_RUNNING");
  cloud.await_poked(waiting[3]);
  cloud.set(named("w4"), "STATE_RUNNING");  // one less, so that these are few again
  cloud.await_poked(waiting[4]);
  cloud.await_asked(named("w6"));
  EXPECT_GT(cloud.times_asked(named("w6")), asked);
  for (const std::size_t other : {0, 1, 2, 5, 6, 7}) EXPECT_EQ(cloud.times_poked(waiting[other]), 0);
}

// WP-16: the cloud says that it is asked too often
TEST_F(StateWatchTest, BacksOffWhenItIsRefused) {
  const auto refused = watch({.interval_min = 1ms, .interval_max = 10s});
  const auto served = watch();
  const auto first = run(), second = run();
  cloud.refuse(kSlowConfig);
  cloud.set(named("b"), "STATE_STARTING");
  refused->expect(first, named("a", kSlowConfig), "STATE_STARTING");
  cloud.await_asked(named("a", kSlowConfig));
  served->expect(second, named("b"), "STATE_STARTING");
  cloud.await_asked(named("b"), 20);
  EXPECT_EQ(cloud.times_asked(named("a", kSlowConfig)), 1);
  EXPECT_EQ(cloud.times_poked(first), 0) << "no answer is no change";
}

TEST_F(StateWatchTest, NeverAsksWhenToldNotToWatch) {
  const auto idle = watch({.interval_min = 0ms});
  const auto served = watch();
  const auto first = run(), second = run();
  cloud.set(named("b"), "STATE_STARTING");
  idle->expect(first, named("a"), "STATE_STARTING");
  served->expect(second, named("b"), "STATE_STARTING");
  cloud.await_asked(named("b"), 10);
  EXPECT_EQ(cloud.times_asked(named("a")), 0);
  EXPECT_EQ(cloud.times_poked(first), 0);
}

}  // namespace
}  // namespace slipway::providers::workstations
