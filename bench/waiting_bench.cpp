// Runs that wait, and replicas that go: waiting_bench sleepers|starts|replica DATABASE COUNT
//
//   sleepers  COUNT runs that sleep for an hour: what they cost. Then runs that wake at 1,000 a second: how late
//   starts    COUNT runs, one after another: from the wish to start one until its first step runs, and one commit
//   beside replica   one of several hubs: starts COUNT runs that wait in memory, says 'ready', and then, every 50 ms
//   and
//             until it is killed, how many runs it took over
//
// DATABASE is a file, or postgres://…

#include <sys/resource.h>

#include <atomic>
#include <fstream>
#include <future>
#include <iostream>
#include <semaphore>
#include <thread>

#include "durable/context.h"
#include "durable/testing/threaded_engine.h"
#include "load.h"

namespace slipway::bench {
namespace {

using namespace std::chrono_literals;

struct Nap {
  std::int64_t ms = 0;
};
SLIPWAY_JSON_SNAKE(Nap, ms)

struct Sleeps {
  static constexpr std::string_view kType = "bench.sleeps";
  static std::vector<std::string> outline() { return {"sleep"}; }
  durable::Run<> operator()(durable::Context& run, Nap nap) const {
    co_await run.sleep("sleep", base::Duration(nap.ms));
  }
};

struct Starts {
  static constexpr std::string_view kType = "bench.starts";
  static std::vector<std::string> outline() { return {"first"}; }
  std::function<void()> on_first_step;
  durable::Run<> operator()(durable::Context& run, Nap) const {
    co_await run.step("first", [this] { on_first_step(); });
  }
};

class Hub {
 public:
  Hub(const std::string& url, bool sole, std::function<void()> on_first_step)
      : engine_(store::open(url), {.lease = {.name = "bench", .sole = sole}}, [&](durable::Engine& engine) {
          engine.add(durable::make_workflow<Nap, void>(std::make_shared<const Sleeps>()));
          engine.add(
              durable::make_workflow<Nap, void>(std::shared_ptr<const Starts>(new Starts{std::move(on_first_step)})));
          engine.observe([this](const durable::RunRecord&, const durable::RunState&, const auto& events) {
            for (const auto& event : events)
              if (event.type == durable::EventType::step_completed && event.step == "sleep") ++woken_;
          });
        }) {}

  // For the loop's thread.
  void start_run(std::string_view type, base::Duration nap, std::function<void()> accepted = [] {}) {
    engine_.begin_start({.type = std::string(type),
                         .resource_type = "bench",
                         .resource_id = "bench",
                         .triggered_by = "bench",
                         .owner_id = "bench",
                         .input = json::to_value(Nap{nap.count()})},
                        std::move(accepted));
  }

  // Starts `count` runs with some hundred on their way at a time, and waits until all are accepted.
  void start_many(int count, std::function<base::Duration(int)> nap) {
    std::counting_semaphore<> room(500);
    std::atomic<int> accepted = 0;
    for (int i = 0; i < count; ++i) {
      room.acquire();
      engine_.loop().post([&, i] {
        start_run(Sleeps::kType, nap(i), [&] {
          ++accepted;
          room.release();
        });
      });
    }
    while (accepted < count) std::this_thread::sleep_for(1ms);
  }

  store::Database& database() { return engine_.database(); }
  durable::Engine::Statistics statistics() { return engine_.statistics(); }
  template <class F>
  void on_loop(F function) {
    engine_.on_loop(std::move(function));
  }
  int woken() const { return woken_; }

 private:
  std::atomic<int> woken_ = 0;
  durable::testing::ThreadedEngine engine_;
};

double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * 4096 / 1e6;
}

// How late each sleep that has ended ended: from its journal.
std::vector<double> lateness(store::Database& database) {
  std::vector<double> late;
  database.read_and_wait([&](store::Transaction& tx) {
    late.clear();
    for (const auto& row : tx.query(
             "SELECT done.at, begun.data FROM run_events done JOIN run_events begun ON begun.run_id = done.run_id AND "
             "begun.type = 'step_started' WHERE done.type = 'step_completed'")) {
      const auto due =
          json::from_value<base::Instant>(json::parse_value(row.text(1)).at("wakeAt"), json::Mode::lenient);
      late.push_back(double((row.instant(0) - due).count()));
    }
  });
  return late;
}

void measure_sleepers(Hub& hub, int count) {
  constexpr int kWaking = 10'000;
  constexpr int kWakingPerSecond = 1'000;
  const double before = resident_mb();
  hub.start_many(count, [](int) { return base::Duration(3'600'000); });
  while (hub.statistics().live > 0) std::this_thread::sleep_for(10ms);
  const double with_sleepers = resident_mb();
  const auto began = steady_now();
  hub.start_many(kWaking, [&](int i) {  // far enough off to leave memory first
    const auto due = 45'000 + i * 1'000 / kWakingPerSecond;
    return base::Duration(due - std::int64_t(microseconds_since(began) / 1e3));
  });
  while (hub.woken() < kWaking) std::this_thread::sleep_for(10ms);
  auto late = lateness(hub.database());
  print_figures({{"sleepers_mb", with_sleepers - before},
                 {"late_p50_ms", percentile(late, 0.5)},
                 {"late_p99_ms", percentile(late, 0.99)}});
}

void measure_starts(const std::string& url, int count) {
  std::binary_semaphore began(0);
  Hub hub(url, true, [&] { began.release(); });
  hub.database().write_and_wait(
      [](store::Transaction& tx) { tx.execute("CREATE TABLE IF NOT EXISTS bench_commits (id BIGINT, text TEXT)"); });
  std::vector<double> starts, commits;
  for (int i = 0; i < count; ++i) {
    auto start = steady_now();
    hub.database().write_and_wait([i](store::Transaction& tx) {
      tx.execute("INSERT INTO bench_commits (id, text) VALUES ($1, $2)", {i, std::string(100, 'x')});
    });
    commits.push_back(microseconds_since(start));
    start = steady_now();
    hub.on_loop([&] { hub.start_run(Starts::kType, base::Duration(0)); });
    began.acquire();
    starts.push_back(microseconds_since(start));
  }
  print_figures({{"commit_us", percentile(commits, 0.5)},
                 {"p50_us", percentile(starts, 0.5)},
                 {"p99_us", percentile(starts, 0.99)}});
}

[[noreturn]] void be_replica(const std::string& url, int count) {
  Hub hub(url, false, [] {});
  hub.start_many(count, [](int) { return base::Duration(25'000); });
  std::cout << "ready" << std::endl;
  for (;; std::this_thread::sleep_for(50ms)) std::cout << hub.statistics().taken_over << std::endl;
}

}  // namespace

int run(const std::vector<std::string>& words) {
  if (words.size() != 3) {
    std::cerr << "Usage: waiting_bench sleepers|starts|replica DATABASE COUNT\n";
    return 2;
  }
  const int count = std::stoi(words[2]);
  if (words[0] == "replica") be_replica(words[1], count);
  if (words[0] == "starts") {
    measure_starts(words[1], count);
  } else {
    Hub hub(words[1], true, [] {});
    measure_sleepers(hub, count);
  }
  return 0;
}

}  // namespace slipway::bench

int main(int argc, char** argv) { return slipway::bench::run(std::vector<std::string>(argv + 1, argv + argc)); }
