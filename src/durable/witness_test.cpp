// What a witness hears of runs within the transactions that change them, in the simulated world without faults.

#include "durable/witness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "durable/context.h"
#include "durable/engine.h"
#include "durable/journal.h"
#include "durable/testing/simulated_world.h"

namespace slipway::durable {
namespace {

using json::Value;
using ::testing::ElementsAre;
using testing::SimulatedWorld;
using namespace std::chrono_literals;
using Flow = durable::Run<Value>;

// Keeps what it hears in the database, so that a transaction that came to nothing leaves none of it.
class Diary final : public Witness {
 public:
  void tell(store::Transaction& tx, std::span<const Transition> transitions) const override {
    for (const auto& each : transitions) {
      std::string line = boost::describe::enum_to_string(each.kind, "");
      if (each.failure) line += " " + each.failure->code;
      if (!each.step.empty()) line += " at " + std::string(each.step);
      tx.execute("INSERT INTO diary (run, line) VALUES ($1, $2)", {each.run->id.str(), line});
    }
  }
  bool wants_steps() const override { return wants_steps_; }
  bool wants_steps_ = false;
};

class WitnessTest : public ::testing::Test {
 protected:
  using Body = std::function<Flow(Context&, const Value&)>;

  WitnessTest() {
    world_.disk().write([](store::Transaction& tx) {
      tx.execute("CREATE TABLE diary (seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT, line TEXT)");
    });
  }

  void boot() {
    engine_.reset();
    process_.reset();
    process_ = world_.boot();
    engine_ = std::make_unique<Engine>(*process_, *process_, *process_, *process_, world_.random(), ids_,
                                       EngineOptions{.lease = {.name = "test", .sole = true, .beat_every = 20s}});
    for (const auto& [type, body] : bodies_) engine_->add({.type = type, .body = body});
    engine_->set_witness(diary_);
    bool joined = false;  // and what was parked has been tried
    engine_->join([&](std::exception_ptr failure) {
      EXPECT_FALSE(failure);
      joined = true;
    });
    play([&] { return joined; });
  }

  RunId start(const std::string& type, std::optional<Ticket> ticket = {}) {
    if (!engine_) boot();
    auto record = engine_->make_record({.type = type, .owner_id = "usr_1", .ticket = std::move(ticket)});
    world_.disk().write([&](store::Transaction& tx) { journal::insert_run(tx, record); });
    engine_->launch(record);
    return record.id;
  }
  void play(const std::function<bool()>& stop) {
    while (!stop()) ASSERT_TRUE(world_.step(*process_));
  }
  std::vector<std::string> heard_of(const RunId& run) {
    std::vector<std::string> lines;
    world_.disk().read([&](store::Transaction& tx) {
      for (const auto& row : tx.query("SELECT line FROM diary WHERE run = $1 ORDER BY seq", {run.str()}))
        lines.push_back(row.text(0));
    });
    return lines;
  }
  bool has_heard(const RunId& run, const std::string& line) {
    const auto lines = heard_of(run);
    return std::ranges::find(lines, line) != lines.end();
  }

  SimulatedWorld world_{7};
  base::IdGenerator ids_{world_, world_.random()};
  std::map<std::string, Body> bodies_;
  Diary diary_;
  std::unique_ptr<SimulatedWorld::Process> process_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(WitnessTest, HearsOfARunsStartAndEndAndOfStepsOnlyWhenItWantsTo) {
  bodies_["t"] = [](Context& run, const Value&) -> Flow {
    co_await run.step("first", [] {});
    co_return nullptr;
  };
  const auto quiet = start("t");
  play([&] { return has_heard(quiet, "run_completed"); });
  EXPECT_THAT(heard_of(quiet), ElementsAre("run_started", "run_completed"));
  diary_.wants_steps_ = true;
  const auto loud = start("t");
  play([&] { return has_heard(loud, "run_completed"); });
  EXPECT_THAT(heard_of(loud), ElementsAre("run_started", "step_completed at first", "run_completed"));
}

TEST_F(WitnessTest, HearsWhatFailedAndWhatCouldNotBeUndone) {
  bodies_["t"] = [](Context& run, const Value&) -> Flow {
    const auto lasting = [](const char* code) { throw base::Error(base::ErrorClass::user, code, "it will not pass"); };
    co_await run.step("first", Retry{}, [] {}, undo("undo-first", [lasting] { lasting("STAYS"); }));
    co_await run.step("second", [lasting] { lasting("LASTING"); });
    co_return nullptr;
  };
  const auto run = start("t");
  play([&] { return has_heard(run, "run_failed LASTING at second"); });
  EXPECT_THAT(heard_of(run),
              ElementsAre("run_started", "run_needs_attention at first", "run_failed LASTING at second"));
}

TEST_F(WitnessTest, HearsOfChildrenAndOfRunsThatWaitInAQueue) {
  bodies_["child"] = [](Context&, const Value&) -> Flow { co_return nullptr; };
  bodies_["parent"] = [](Context& run, const Value&) -> Flow {
    co_await run.child<Value>("child", "child", Value(nullptr));
    co_return nullptr;
  };
  const auto run = start("parent", Ticket{.queue = "default", .not_before = world_.now() + 1s});
  play([&] { return has_heard(run, "run_completed"); });
  EXPECT_THAT(heard_of(run), ElementsAre("run_pending", "run_started", "run_completed"));
  std::optional<RunId> child;
  world_.disk().read([&](store::Transaction& tx) {
    child = RunId(tx.query("SELECT id FROM runs WHERE parent_id = $1", {run.str()}).at(0).text(0));
  });
  EXPECT_THAT(heard_of(*child), ElementsAre("run_started", "run_completed"));
}

TEST_F(WitnessTest, HearsOnceThatARunIsParkedHoweverOftenHubsStart) {
  bodies_["t"] = [](Context& run, const Value&) -> Flow {
    co_await run.sleep("nap", 10min);
    co_return nullptr;
  };
  const auto parked = start("t");
  play([&] { return engine_->statistics().live == 0; });
  bodies_.clear();
  const auto reason = [&] {
    std::optional<std::string> reason;
    world_.disk().read([&](store::Transaction& tx) { reason = journal::find(tx, parked)->parked_reason; });
    return reason;
  };
  for (int start = 0; start < 3; ++start) {
    boot();
    play([&] { return reason().has_value(); });
    EXPECT_THAT(heard_of(parked), ElementsAre("run_started", "run_parked PARKED"));
  }
  bodies_["t"] = [](Context& run, const Value&) -> Flow {  // it is known again, and does not fit
    co_await run.sleep("other", 10min);
    co_return nullptr;
  };
  boot();
  play([&] { return reason().has_value(); });
  EXPECT_THAT(heard_of(parked), ElementsAre("run_started", "run_parked PARKED", "run_parked PARKED"));
}

TEST_F(WitnessTest, HearsOfARunThatIsParkedAndThenCancelled) {
  bodies_["t"] = [](Context& run, const Value&) -> Flow {
    co_await run.sleep("nap", 10min);
    co_return nullptr;
  };
  const auto run = start("t");
  play([&] { return engine_->statistics().live == 0; });
  bodies_.clear();  // a hub that does not know it
  boot();
  play([&] { return has_heard(run, "run_parked PARKED"); });
  engine_->cancel(run, "usr_2", [](std::exception_ptr failure) { EXPECT_FALSE(failure); });
  play([&] { return has_heard(run, "run_needs_attention"); });
  EXPECT_THAT(heard_of(run), ElementsAre("run_started", "run_parked PARKED", "run_needs_attention", "run_cancelled"));
}

}  // namespace
}  // namespace slipway::durable
