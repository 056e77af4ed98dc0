// Queues with several engines on one database, with threads, clocks and stores as in production, on both databases.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "durable/context.h"
#include "durable/queue_store.h"
#include "durable/testing/threaded_engine.h"
#include "store/testing/gate.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::durable {
namespace {

using store::Dialect;
using namespace std::chrono_literals;

struct Nothing {
  int unused = 0;
};
SLIPWAY_JSON_SNAKE(Nothing, unused)

// What the tests' workflows do outside, whichever replica does it.
struct World {
  std::atomic<bool> open = true;
  std::mutex mutex;
  int at_work = 0;
  int at_work_most = 0;
  std::map<std::string, int> effects;  // by idempotency key
  std::vector<std::string> bad_ends;
};

// One step, and then it waits until the world is open.
struct Job {
  static constexpr std::string_view kType = "test.job";
  static std::vector<std::string> outline() { return {"work", "wait"}; }
  World& world;

  Run<> operator()(Context& run, Nothing) const {
    co_await run.step("work", [this](Attempt& attempt) {
      const std::lock_guard guard(world.mutex);
      world.at_work_most = std::max(world.at_work_most, ++world.at_work);
      ++world.effects[attempt.idempotency_key()];
    });
    co_await run.poll("wait", every(20ms).at_most(10min), [this] {
      if (!world.open) return false;
      const std::lock_guard guard(world.mutex);
      --world.at_work;
      return true;
    });
  }
  void on_failure(store::Transaction&, const Nothing&, const BadEnd& end) const {
    const std::lock_guard guard(world.mutex);
    world.bad_ends.push_back(end.run.str());
  }
};

class Hub : public testing::ThreadedEngine {
 public:
  using ThreadedEngine::ThreadedEngine;

  std::vector<RunId> start(int count, const Ticket& ticket) {
    const StartRequest request{.type = std::string(Job::kType),
                               .resource_type = "test",
                               .resource_id = "r",
                               .triggered_by = "usr",
                               .owner_id = "usr",
                               .input = json::to_value(Nothing{}),
                               .ticket = ticket};
    return ThreadedEngine::start(std::vector<StartRequest>(std::size_t(count), request));
  }
  void operate(store::Work work) {
    database().write_and_wait(std::move(work));
    on_loop([this] { engine().queue_changed("q"); });
  }
  // Keeps every reader of the store busy until the gate opens.
  void hold_readers(const std::shared_ptr<store::testing::Gate>& gate) {
    for (int i = 0; i < 64; ++i)
      database().read([gate](store::Transaction&) { gate->wait(); }, [](std::exception_ptr) {});
  }
};

class QueuesOfReplicas : public ::testing::TestWithParam<Dialect> {
 protected:
  QueuesOfReplicas() {
    url_ = GetParam() == Dialect::sqlite ? (folder_.path() / "slipway.db").string()
                                         : store::testing::PostgresCluster::shared().create_database();
    database_ = store::open(url_);
  }

  // On PostgreSQL each with a store of its own, as hubs have; SQLite lets only one in.
  std::unique_ptr<Hub> boot(LeaseOptions lease = {.beat_every = 50ms, .silent_looks_max = 1'000'000}) {
    auto database = GetParam() == Dialect::sqlite ? database_ : std::shared_ptr<store::Database>(store::open(url_));
    return std::make_unique<Hub>(std::move(database), EngineOptions{.lease = std::move(lease)}, [this](Engine& engine) {
      engine.add(make_workflow<Nothing, void>(std::shared_ptr<const Job>(new Job{world_})));
    });
  }

  // Before hubs are there, so that all of them know it from their first look.
  void make_queue(const QueueLimits& limits) {
    database_->write_and_wait([&](store::Transaction& tx) { queues::put(tx, "q", limits, {}); });
  }

  std::int64_t count(std::string_view sql) {
    std::int64_t count = 0;
    database_->read_and_wait([&](store::Transaction& tx) { count = tx.query(sql).front().integer(0); });
    return count;
  }
  std::int64_t completed() { return count("SELECT COUNT(*) FROM runs WHERE status = 'completed'"); }
  std::int64_t pending() { return count("SELECT COUNT(*) FROM runs WHERE status = 'pending'"); }
  std::int64_t running() { return count("SELECT COUNT(*) FROM runs WHERE status = 'running'"); }
  // Once the engine has looked, it knows that there is no queue of that name.
  void await_look(Hub& hub) {
    await([&] {
      hub.start(1, {.queue = "none"});
      return count("SELECT COUNT(*) FROM runs WHERE queue IS NULL") > 0;
    });
  }
  template <class Condition>
  void await(Condition condition) {
    while (!condition()) std::this_thread::sleep_for(10ms);
  }

  store::testing::TemporaryFolder folder_;
  std::string url_;
  std::shared_ptr<store::Database> database_;
  World world_;
};

TEST_P(QueuesOfReplicas, TenThousandRunsPassAQueueOverThreeReplicasWithinItsLimitAndNoneIsLost) {
  constexpr int kRuns = 10'000, kLimit = 200, kBatch = 500;
  make_queue({.concurrency = kLimit, .key_concurrency = kLimit / 2});
  std::vector<std::unique_ptr<Hub>> hubs;
  for (int i = 0; i < 3; ++i) hubs.push_back(boot());
  for (int i = 0; i < kRuns / kBatch; ++i)
    hubs[std::size_t(i % 3)]->start(kBatch, {.queue = "q", .key = "owner-" + std::to_string(i % 7)});
  await([&] { return completed() == kRuns; });
  EXPECT_EQ(world_.effects.size(), std::size_t(kRuns));
  for (const auto& [key, times] : world_.effects) EXPECT_EQ(times, 1) << key;
  EXPECT_LE(world_.at_work_most, kLimit);
  EXPECT_EQ(count("SELECT COUNT(*) FROM queue_entries"), 0);
}

TEST_P(QueuesOfReplicas, PlacesOfOneThatDiedGoOverWithItsRunsAndNoneIsLost) {
  make_queue({.concurrency = 3});
  world_.open = false;
  auto first = boot({.beat_every = 50ms, .silent_looks_max = 4});
  first->start(10, {.queue = "q"});
  await([&] { return running() == 3; });
  auto second = boot({.beat_every = 50ms, .silent_looks_max = 4});
  first->kill();
  world_.open = true;
  await([&] { return completed() == 10; });
  EXPECT_EQ(world_.effects.size(), 10u);
}

TEST_P(QueuesOfReplicas, ACancelledRunThatWaitsEndsAtOnceAndTakesNoPlace) {
  make_queue({.concurrency = 1});
  world_.open = false;
  auto first = boot(), second = boot();
  const auto runs = first->start(3, {.queue = "q"});
  await([&] { return running() == 1; });
  std::string waiting;
  database_->read_and_wait([&](store::Transaction& tx) {
    waiting = tx.query("SELECT id FROM runs WHERE status = 'pending' ORDER BY id LIMIT 1").front().text(0);
  });
  EXPECT_FALSE(second->cancel(RunId(waiting), "usr_2"));
  database_->read_and_wait([&](store::Transaction& tx) {
    EXPECT_EQ(journal::find(tx, RunId(waiting))->status, RunStatus::cancelled);
    EXPECT_EQ(fold_all(journal::events(tx, RunId(waiting))).status, RunStatus::cancelled);
  });
  EXPECT_THAT(world_.bad_ends, ::testing::ElementsAre(waiting));
  world_.open = true;
  await([&] { return completed() == 2; });
}

TEST_P(QueuesOfReplicas, APauseHoldsForAllReplicasAndAResumeReachesThem) {
  make_queue({});
  auto first = boot(), second = boot();
  first->operate([](store::Transaction& tx) { queues::set_pause(tx, "q", Pause{{}, "usr", ""}, {}); });
  second->start(5, {.queue = "q"});
  first->start(5, {.queue = "q"});
  EXPECT_EQ(pending(), 10);
  first->operate([](store::Transaction& tx) { queues::set_pause(tx, "q", std::nullopt, {}); });
  await([&] { return completed() == 10; });
}

TEST_P(QueuesOfReplicas, AStartWithAQueueThatNobodyMadeBeginsAtOnce) {
  auto hub = boot();
  await_look(*hub);
  await([&] { return pending() + running() == 0; });
}

TEST_P(QueuesOfReplicas, AQueueHoldsForWhatIsStartedAfterItWasMadeHoweverSlowTheStoreReads) {
  auto hub = boot();
  await_look(*hub);
  await([&] { return completed() > 0 && pending() + running() == 0; });
  const auto before = completed();
  const auto gate = std::make_shared<store::testing::Gate>();
  hub->hold_readers(gate);
  hub->operate([](store::Transaction& tx) {
    queues::put(tx, "q", {}, {});
    queues::set_pause(tx, "q", Pause{{}, "usr", ""}, {});
  });
  hub->start(2, {.queue = "q"});
  gate->open();
  EXPECT_EQ(pending(), 2);
  hub->operate([](store::Transaction& tx) { queues::set_pause(tx, "q", std::nullopt, {}); });
  await([&] { return completed() == before + 2; });
}

TEST_P(QueuesOfReplicas, AStartForAQueueThatWasJustDeletedDoesNotWaitForTheNextLook) {
  make_queue({});
  auto hub = boot({.beat_every = 1h, .silent_looks_max = 1'000'000});
  await_look(*hub);
  database_->write_and_wait([](store::Transaction& tx) { queues::remove(tx, "q"); });
  const auto before = count("SELECT COUNT(*) FROM runs");
  hub->start(1, {.queue = "q"});
  await([&] { return completed() == before + 1; });
}

TEST_P(QueuesOfReplicas, ADelayedStartBeginsByItself) {
  auto hub = boot();
  const auto due = base::SystemClock().now() + 300ms;
  hub->start(1, {.not_before = due});
  await([&] { return completed() == 1; });
  EXPECT_GE(count("SELECT MIN(at) FROM run_events WHERE type = 'run_admitted'"), base::to_unix_ms(due));
}

INSTANTIATE_TEST_SUITE_P(OnSqlite, QueuesOfReplicas, ::testing::Values(Dialect::sqlite));
INSTANTIATE_TEST_SUITE_P(OnPostgres, QueuesOfReplicas, ::testing::Values(Dialect::postgres));

}  // namespace
}  // namespace slipway::durable
