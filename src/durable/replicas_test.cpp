// Several engines on one database, with threads, clocks and stores as in production, on both databases.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "durable/context.h"
#include "durable/testing/threaded_engine.h"
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
  std::atomic<bool> open = false;
  std::mutex mutex;
  std::map<std::string, int> effects;  // by idempotency key
};

// Makes something, waits until the world opens, and makes one more thing.
struct Gated {
  static constexpr std::string_view kType = "test.gated";
  static std::vector<std::string> outline() { return {"before", "wait", "after"}; }
  World& world;

  void make(Attempt& attempt) const {
    const std::lock_guard guard(world.mutex);
    ++world.effects[attempt.idempotency_key()];
  }
  Run<> operator()(Context& run, Nothing) const {
    co_await run.step("before", [this](Attempt& attempt) { make(attempt); });
    co_await run.poll("wait", every(20ms).at_most(10min), [this] { return world.open.load(); });
    co_await run.step("after", [this](Attempt& attempt) { make(attempt); });
  }
};

struct Sleeping {
  static constexpr std::string_view kType = "test.sleeping";
  static std::vector<std::string> outline() { return {"sleep"}; }
  Run<> operator()(Context& run, Nothing) const { co_await run.sleep("sleep", 1s); }
};

using Hub = testing::ThreadedEngine;

StartRequest request(std::string_view type) {
  return {.type = std::string(type),
          .resource_type = "test",
          .resource_id = "r",
          .triggered_by = "usr",
          .owner_id = "usr",
          .input = json::to_value(Nothing{})};
}

// For tests in which nobody is to be held for dead, however slow the machine.
const LeaseOptions kPatient{.beat_every = 50ms, .silent_looks_max = 1'000'000};

class Replicas : public ::testing::TestWithParam<Dialect> {
 protected:
  Replicas() {
    url_ = GetParam() == Dialect::sqlite ? (folder_.path() / "slipway.db").string()
                                         : store::testing::PostgresCluster::shared().create_database();
    database_ = store::open(url_);
  }

  // On PostgreSQL each with a store of its own, as hubs have; SQLite lets only one in.
  std::unique_ptr<Hub> boot(LeaseOptions lease = kPatient) {
    auto database = GetParam() == Dialect::sqlite ? database_ : std::shared_ptr<store::Database>(store::open(url_));
    return std::make_unique<Hub>(
        std::move(database), EngineOptions{.evict_after = 500ms, .wake_ahead = 200ms, .lease = std::move(lease)},
        [this](Engine& engine) {
          engine.add(make_workflow<Nothing, void>(std::shared_ptr<const Gated>(new Gated{world_})));
          engine.add(make_workflow<Nothing, void>(std::make_shared<const Sleeping>()));
        });
  }

  RunState state(const RunId& run) {
    RunState state;
    database_->read_and_wait([&](store::Transaction& tx) { state = fold_all(journal::events(tx, run)); });
    return state;
  }

  RunState await_end(const RunId& run) {
    for (;; std::this_thread::sleep_for(10ms))
      if (auto found = state(run); found.is_final()) return found;
  }

  void await_step(const RunId& run, const std::string& step) {
    while (state(run).find(step) == nullptr) std::this_thread::sleep_for(10ms);
  }

  store::testing::TemporaryFolder folder_;
  std::string url_;
  std::shared_ptr<store::Database> database_;
  World world_;
};

TEST_P(Replicas, TheRunsOfOneThatDiedGoOnElsewhereAndNoCompletedStepRunsAgain) {
  const LeaseOptions lease{.beat_every = 100ms, .silent_looks_max = 10};
  auto first = boot(lease);
  std::vector<RunId> runs;
  for (int i = 0; i < 600; ++i) runs.push_back(first->start({request(Gated::kType)}).front());
  for (const auto& run : runs) await_step(run, "wait");
  // Only now, so that nobody holds the first one for dead while it is merely slow in the middle of a step.
  auto second = boot(lease), third = boot(lease);
  first->kill();
  world_.open = true;
  for (const auto& run : runs) EXPECT_EQ(await_end(run).status, RunStatus::completed);
  EXPECT_GE(second->statistics().taken_over + third->statistics().taken_over, 600u);
  EXPECT_EQ(world_.effects.size(), 1'200u);
  for (const auto& [key, times] : world_.effects)
    if (key.ends_with("/before")) EXPECT_EQ(times, 1) << key;
}

TEST_P(Replicas, OneThatLeavesHandsOverWithoutAnybodyWaitingForItsLease) {
  auto first = boot(), second = boot();
  const auto run = first->start({request(Gated::kType)}).front();
  await_step(run, "wait");
  first->leave();
  world_.open = true;
  EXPECT_EQ(await_end(run).status, RunStatus::completed);
  EXPECT_EQ(second->statistics().taken_over, 1u);
}

TEST_P(Replicas, OneWhoseLeaseWasTakenChangesNothingAndBeginsAnew) {
  auto first = boot();
  const auto before = first->replica();
  const auto run = first->start({request(Gated::kType)}).front();
  await_step(run, "wait");
  database_->write_and_wait([&](store::Transaction& tx) {  // as another replica does that holds it for dead
    tx.execute("DELETE FROM replicas WHERE id = $1", {before.str()});
    tx.execute("INSERT INTO departed_replicas (id, departed_at) VALUES ($1, 0)", {before.str()});
  });
  const RunRecord late{.id = RunId("run_late"), .type = "test.gated", .started_at = {}, .replica = before};
  try {
    database_->write_and_wait([&](store::Transaction& tx) { journal::insert_run(tx, late); });
    ADD_FAILURE() << "a run was started under a lease that is gone";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "REPLICA_FENCED");
  }
  world_.open = true;
  EXPECT_EQ(await_end(run).status, RunStatus::completed);
  EXPECT_EQ(first->statistics().lost_leases, 1u);
  EXPECT_NE(first->replica(), before);
  EXPECT_EQ(world_.effects.size(), 2u);
}

// WF-3
TEST_P(Replicas, ACancelReachesARunOnAnotherReplica) {
  auto first = boot(), second = boot();
  const auto run = first->start({request(Gated::kType)}).front();
  await_step(run, "wait");
  EXPECT_FALSE(second->cancel(run, "usr_2"));
  EXPECT_EQ(await_end(run).status, RunStatus::cancelled);
}

TEST_P(Replicas, ASleeperIsNobodysAndWakesOnWhicheverIsThere) {
  auto first = boot(), second = boot();
  const auto run = first->start({request(Sleeping::kType)}).front();
  await_step(run, "sleep");
  first->leave();
  EXPECT_EQ(await_end(run).status, RunStatus::completed);
}

INSTANTIATE_TEST_SUITE_P(OnSqlite, Replicas, ::testing::Values(Dialect::sqlite));
INSTANTIATE_TEST_SUITE_P(OnPostgres, Replicas, ::testing::Values(Dialect::postgres));

}  // namespace
}  // namespace slipway::durable
