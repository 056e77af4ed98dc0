// The durable engine and the store under load: engine_bench commits|groups|alone|many DATABASE COUNT [AT_ONCE]
//
//   commits  COUNT single-row commits, one after another: what one commit costs here
//   groups   COUNT writes of three indexed rows, AT_ONCE waiting at any time: what group commit can carry
//   alone    COUNT runs of five trivial steps, one after another
//   many     COUNT runs of five trivial steps, AT_ONCE under way at any time
//
// DATABASE is a file, or postgres://…

#include <atomic>
#include <cstdlib>
#include <future>
#include <iostream>
#include <semaphore>
#include <thread>

#include "durable/context.h"
#include "durable/testing/threaded_engine.h"
#include "load.h"

namespace slipway::bench {

namespace {

struct NoInput {
  int unused = 0;
};
SLIPWAY_JSON_SNAKE(NoInput, unused)

struct FiveSteps {
  static constexpr std::string_view kType = "bench.five-steps";
  static std::vector<std::string> outline() { return {"one", "two", "three", "four", "five"}; }
  durable::Run<> operator()(durable::Context& run, NoInput) const {
    for (const char* name : {"one", "two", "three", "four", "five"}) co_await run.step(name, [] { return 1; });
  }
};

// An engine with everything below it, on threads of its own.
class Hub {
 public:
  explicit Hub(const std::string& url)
      : engine_(store::open(url), {.lease = {.name = "bench", .sole = true}}, [this](durable::Engine& engine) {
          engine.add(durable::make_workflow<NoInput, void, FiveSteps>(std::make_shared<FiveSteps>()));
          engine.observe([this](const durable::RunRecord& run, const durable::RunState& state, const auto&) {
            if (state.ended_at) on_ended_(run.id);
          });
        }) {}

  store::Database& database() { return engine_.database(); }
  base::EventLoop& loop() { return engine_.loop(); }
  // Called on the loop for each run that ended, durably. Set while nothing runs.
  void on_ended(std::function<void(const base::RunId&)> callback) { on_ended_ = std::move(callback); }
  // For the loop's thread.
  void start_run() {
    engine_.begin_start({.type = std::string(FiveSteps::kType),
                         .resource_type = "bench",
                         .resource_id = "bench",
                         .triggered_by = "bench",
                         .owner_id = "bench",
                         .input = json::to_value(NoInput{})});
  }

 private:
  std::function<void(const base::RunId&)> on_ended_ = [](const base::RunId&) {};
  durable::testing::ThreadedEngine engine_;
};

void measure_commits(Hub& hub, int count) {
  hub.database().write_and_wait(
      [](store::Transaction& tx) { tx.execute("CREATE TABLE IF NOT EXISTS bench_commits (id BIGINT, text TEXT)"); });
  std::vector<double> samples;
  for (int i = 0; i < count; ++i) {
    const auto start = steady_now();
    hub.database().write_and_wait([i](store::Transaction& tx) {
      tx.execute("INSERT INTO bench_commits (id, text) VALUES ($1, $2)", {i, std::string(100, 'x')});
    });
    samples.push_back(microseconds_since(start));
  }
  print_figures({{"median_us", percentile(samples, 0.5)}, {"p99_us", percentile(samples, 0.99)}});
}

// Keeps `at_once` writes waiting, each from the completion of another.
class GroupLoad {
 public:
  GroupLoad(store::Database& database, int count) : database_(database), count_(count) {}
  void start(int at_once) {
    for (int i = 0; i < at_once; ++i) write_next();
    finished_.acquire();
  }

 private:
  void write_next() {
    const int number = started_++;
    if (number >= count_) return;
    database_.write(
        [number](store::Transaction& tx) {
          for (int row = 0; row < 3; ++row)
            tx.execute("INSERT INTO bench_groups (id, owner, text) VALUES ($1, $2, $3)",
                       {3 * number + row, "usr_" + std::to_string(number % 100), std::string(100, 'x')});
        },
        [this](std::exception_ptr failure) {
          if (failure) std::terminate();
          // Not from within the store's callback: it must not be called back into.
          starter_.run([this] { write_next(); });
          if (++ended_ == count_) finished_.release();
        });
  }

  store::Database& database_;
  const int count_;
  std::atomic<int> started_{0};
  std::atomic<int> ended_{0};
  std::binary_semaphore finished_{0};
  net::WorkerPool starter_{1, 1};  // last: joined before what its tasks use goes
};

void measure_groups(Hub& hub, int count, int at_once) {
  hub.database().write_and_wait([](store::Transaction& tx) {
    tx.execute("DROP TABLE IF EXISTS bench_groups");
    tx.execute("CREATE TABLE bench_groups (id BIGINT PRIMARY KEY, owner TEXT, text TEXT)");
    tx.execute("CREATE INDEX bench_groups_by_owner ON bench_groups (owner, id)");
  });
  const auto start = steady_now();
  GroupLoad(hub.database(), count).start(at_once);
  print_figures({{"writes_per_s", count / (microseconds_since(start) / 1e6)}});
}

void measure_alone(Hub& hub, int count) {
  std::vector<double> samples;
  const auto groups_before = hub.database().statistics().groups;
  std::counting_semaphore<> ended(0);
  hub.on_ended([&](const base::RunId&) { ended.release(); });
  for (int i = 0; i < count; ++i) {
    const auto start = steady_now();
    hub.loop().post([&] { hub.start_run(); });
    ended.acquire();
    samples.push_back(microseconds_since(start));
  }
  const auto groups = double(hub.database().statistics().groups - groups_before);
  print_figures({{"median_us", percentile(samples, 0.5)},
                 {"p99_us", percentile(samples, 0.99)},
                 {"commits_per_run", groups / count}});
}

void measure_many(Hub& hub, int count, int at_once) {
  std::promise<void> all_ended;
  int started = 0;
  int ended = 0;
  hub.on_ended([&](const base::RunId&) {
    if (started < count) {
      ++started;
      hub.start_run();
    }
    if (++ended == count) all_ended.set_value();
  });
  const double cpu_before = cpu_seconds();
  const auto start = steady_now();
  hub.loop().post([&] {
    for (started = 0; started < std::min(count, at_once); ++started) hub.start_run();
  });
  all_ended.get_future().wait();
  const double seconds = microseconds_since(start) / 1e6;
  constexpr double kStepsPerRun = 5;
  print_figures({{"runs_per_s", count / seconds},
                 {"steps_per_s", kStepsPerRun * count / seconds},
                 {"cpu_ms_per_run", (cpu_seconds() - cpu_before) * 1e3 / count}});
}

}  // namespace

int run(const std::vector<std::string>& words) {
  if (words.size() < 3) {
    std::cerr << "Usage: engine_bench commits|groups|alone|many DATABASE COUNT [AT_ONCE]\n";
    return 2;
  }
  const int count = std::stoi(words[2]);
  Hub hub(words[1]);
  if (words[0] == "commits")
    measure_commits(hub, count);
  else if (words[0] == "groups")
    measure_groups(hub, count, words.size() > 3 ? std::stoi(words[3]) : 512);
  else if (words[0] == "alone")
    measure_alone(hub, count);
  else
    measure_many(hub, count, words.size() > 3 ? std::stoi(words[3]) : 1000);
  return 0;
}

}  // namespace slipway::bench

int main(int argc, char** argv) { return slipway::bench::run(std::vector<std::string>(argv + 1, argv + argc)); }
