// Runs that are done again: what is taken over, what is not, and that there is one retry at a time.

#include "durable/run_retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "durable/context.h"
#include "durable/engine.h"
#include "durable/queue_store.h"
#include "durable/testing/simulated_world.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::durable {
namespace {

using json::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SimulatedWorld;
using namespace std::chrono_literals;
using Flow = durable::Run<Value>;  // a test has a Run of its own

class Mirror final : public Sealer {
 public:
  std::string seal(const base::Secret& text) const override { return {text.reveal().rbegin(), text.reveal().rend()}; }
  base::Secret unseal(const std::string& sealed) const override {
    return base::Secret(std::string(sealed.rbegin(), sealed.rend()));
  }
};

base::Error lasting(const std::string& what) { return base::Error(base::ErrorClass::user, "LASTING", what); }

class RunRetryTest : public ::testing::Test {
 protected:
  using Body = std::function<Flow(Context&, const Value&)>;

  void boot() {
    engine_.reset();
    process_.reset();
    process_ = world_.boot();
    engine_ = std::make_unique<Engine>(*process_, *process_, *process_, *process_, world_.random(), ids_,
                                       EngineOptions{.cancel_grace = 1s,
                                                     .evict_after = 1min,
                                                     .wake_ahead = 30s,
                                                     .lease = {.name = "test", .sole = true, .beat_every = 20s},
                                                     .sealer = &sealer_});
    for (const auto& [type, body] : bodies_)
      engine_->add({.type = type, .outline = outline_, .body = body, .on_retry = on_retry_});
    engine_->observe([this](const RunRecord& record, const RunState&, const std::vector<Event>& events) {
      for (const auto& event : events) told_[record.id].push_back(event);
    });
    engine_->join([](std::exception_ptr failure) { EXPECT_FALSE(failure); });
    play([&] { return engine_->has_joined(); });
  }

  RunId start(const std::string& type, Value input = nullptr, std::optional<Ticket> ticket = {}) {
    if (!engine_) boot();
    auto record = engine_->make_record({.type = type,
                                        .resource_type = "thing",
                                        .resource_id = "t1",
                                        .triggered_by = "usr_1",
                                        .owner_id = "usr_1",
                                        .input = std::move(input),
                                        .ticket = std::move(ticket)});
    world_.disk().write([&](store::Transaction& tx) { journal::insert_run(tx, record); });
    engine_->launch(record);
    return record.id;
  }
  RunState finish(const RunId& run) {
    play([&] { return state(run).is_final(); });
    return state(run);
  }
  RunId fail(const std::string& type, Value input = nullptr) {
    const auto run = start(type, std::move(input));
    EXPECT_EQ(finish(run).status, RunStatus::failed);
    return run;
  }

  Retried insert(const RunId& run, const std::string& from_step = "") {
    Retried retried;
    const auto request = engine_->make_retry(run, from_step, "usr_2");
    world_.disk().write([&](store::Transaction& tx) { retried = engine_->insert_retry(tx, request); });
    return retried;
  }
  Retried retry(const RunId& run, const std::string& from_step = "") {
    auto retried = insert(run, from_step);
    engine_->launch(retried.record);
    return retried;
  }
  base::Error refusal(const RunId& run, const std::string& from_step = "") {
    try {
      insert(run, from_step);
    } catch (const base::Error& error) {
      return error;
    }
    return base::internal_error("it was not refused");
  }

  void play(const std::function<bool()>& stop) {
    while (!stop()) ASSERT_TRUE(world_.step(*process_));
  }
  std::vector<Event> journal(const RunId& run) {
    std::vector<Event> events;
    world_.disk().read([&](store::Transaction& tx) { events = journal::events(tx, run); });
    return events;
  }
  RunState state(const RunId& run) { return fold_all(journal(run)); }
  journal::Row row(const RunId& run) {
    std::optional<journal::Row> row;
    world_.disk().read([&](store::Transaction& tx) { row = journal::find(tx, run); });
    return row.value();
  }
  auto did(const std::string& what) {
    return [this, what] { did_.push_back(what); };
  }

  SimulatedWorld world_{7};
  Mirror sealer_;
  base::IdGenerator ids_{world_, world_.random()};
  std::map<std::string, Body> bodies_;
  std::vector<std::string> outline_{"first", "second", "third"};
  std::function<void(store::Transaction&, const Value&, const Again&)> on_retry_;
  std::unique_ptr<SimulatedWorld::Process> process_;
  std::unique_ptr<Engine> engine_;
  std::map<RunId, std::vector<Event>> told_;
  std::vector<std::string> did_;
  bool broken_ = true;  // what a step finds in the world
};

// WF-4: history is kept
TEST_F(RunRetryTest, WithoutAStepItIsANewRunFromTheStartWithTheSameInputLinkedToTheOld) {
  bodies_["t"] = [&](Context& run, const Value& input) -> Flow {
    co_await run.step("first", did("first " + std::string(input.as_string())));
    co_await run.step("second", [&] {
      if (broken_) throw lasting("not yet");
    });
    co_return "done";
  };
  const auto old = fail("t", "hello");
  const auto before = journal(old);
  broken_ = false;
  const auto again = retry(old);
  EXPECT_EQ(finish(again.record.id).status, RunStatus::completed);
  EXPECT_THAT(did_, ElementsAre("first hello", "first hello"));
  EXPECT_THAT(again.taken_over, IsEmpty());
  EXPECT_EQ(again.starts_at, "first");
  const auto record = row(again.record.id).record;
  EXPECT_EQ(record.retry_of, old.str());
  EXPECT_EQ(record.resource_id, "t1");
  EXPECT_EQ(record.owner_id, "usr_1");
  EXPECT_EQ(record.triggered_by, "usr_2");
  EXPECT_EQ(journal(again.record.id).front().data.at("retryOf"), Value(old.str()));
  EXPECT_EQ(journal(old).size(), before.size());
  world_.disk().read([&](store::Transaction& tx) { EXPECT_EQ(retried_by(tx, old), again.record.id); });
}

// WF-4, WF-15: a completed step is not run again; one that runs again has a key of the new run
TEST_F(RunRetryTest, FromAStepTheResultsAndValuesBeforeItAreTakenOver) {
  std::vector<std::string> seen, keys;
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    const auto name = run.uuid();
    const auto one = co_await run.step("first", [&] {
      did_.push_back("first");
      return std::string("one");
    });
    co_await run.step("second", [&, name, one](Attempt& attempt) {
      seen.push_back(name + one);
      keys.push_back(attempt.idempotency_key());
      if (broken_) throw lasting("not yet");
    });
    co_await run.step("third", did("third"));
    co_return "done";
  };
  const auto old = fail("t");
  broken_ = false;
  const auto again = retry(old, "second");
  EXPECT_THAT(again.taken_over, ElementsAre("first"));
  EXPECT_EQ(again.starts_at, "second");
  const auto ended = finish(again.record.id);
  EXPECT_EQ(ended.status, RunStatus::completed);
  EXPECT_TRUE(ended.find("first")->taken_over);
  EXPECT_FALSE(ended.find("second")->taken_over);
  EXPECT_THAT(did_, ElementsAre("first", "third"));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_THAT(keys[1], HasSubstr(again.record.id.str()));
  // Who watches is told of the whole journal, as it is stored.
  play([&] { return told_[again.record.id].back().type == EventType::run_completed; });
  EXPECT_EQ(fold_all(told_[again.record.id]).last_seq, ended.last_seq);
}

TEST_F(RunRetryTest, WhatWasUndoneIsDoneAgainAndSoIsWhatWasBuiltOnIt) {
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", did("first"));
    co_await run.step("second", Retry{}, did("second"), undo("undo-second", did("undo second")));
    co_await run.step("third", did("third"));
    co_await run.step("fourth", [&] {
      if (broken_) throw lasting("not yet");
    });
    co_return nullptr;
  };
  const auto old = fail("t");
  broken_ = false;
  const auto again = retry(old, "fourth");
  EXPECT_THAT(again.taken_over, ElementsAre("first"));
  EXPECT_EQ(again.starts_at, "second");
  EXPECT_EQ(finish(again.record.id).status, RunStatus::completed);
  EXPECT_THAT(did_, ElementsAre("first", "second", "third", "undo second", "second", "third"));
}

TEST_F(RunRetryTest, WhatWasTakenOverIsUndoneWhenTheRetryFailsToo) {
  bool has_undo = false;
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    const auto make = [] { return std::string("machine 7"); };
    if (has_undo) {
      co_await run.step("first", Retry{}, make,
                        undo("undo-first", [&](const std::string& what) { did_.push_back("undo " + what); }));
    } else {
      co_await run.step("first", make);
    }
    co_await run.step("second", [] { throw lasting("never"); });
    co_return nullptr;
  };
  const auto old = fail("t");
  has_undo = true;
  const auto again = retry(old, "second");
  EXPECT_THAT(again.taken_over, ElementsAre("first"));
  EXPECT_EQ(finish(again.record.id).status, RunStatus::failed);
  EXPECT_THAT(did_, ElementsAre("undo machine 7"));
}

TEST_F(RunRetryTest, AStepThatTheRunDoesNotHaveIsRefusedWithTheNamesThatThereAre) {
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", [] { throw lasting("never"); });
    co_return nullptr;
  };
  const auto error = refusal(fail("t"), "fifth");
  EXPECT_EQ(error.code(), "VALIDATION_ERROR");
  EXPECT_THAT(json::print_value(error.details()), HasSubstr("fromStep"));
  EXPECT_THAT(json::print_value(error.details()), HasSubstr(R"(["first","second","third"])"));
}

// A step of the outline that the old run never came to: it goes on where it failed.
TEST_F(RunRetryTest, AStepThatNeverBeganMeansTheOneThatFailed) {
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", did("first"));
    co_await run.step("second", [&] {
      if (broken_) throw lasting("not yet");
    });
    co_await run.step("third", did("third"));
    co_return nullptr;
  };
  const auto old = fail("t");
  broken_ = false;
  const auto again = retry(old, "third");
  EXPECT_EQ(again.starts_at, "second");
  EXPECT_EQ(finish(again.record.id).status, RunStatus::completed);
  EXPECT_THAT(did_, ElementsAre("first", "third"));
}

TEST_F(RunRetryTest, ACancelledRunGoesOnBeforeTheCancel) {
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", did("first"));
    co_await run.sleep("second", broken_ ? Duration(30s) : Duration(1s));
    co_return nullptr;
  };
  const auto old = start("t");
  play([&] { return state(old).find("second") != nullptr; });
  engine_->cancel(old, "usr_1", [](std::exception_ptr failure) { EXPECT_FALSE(failure); });
  EXPECT_EQ(finish(old).status, RunStatus::cancelled);
  broken_ = false;
  const auto again = retry(old, "third");
  EXPECT_THAT(again.taken_over, ElementsAre("first"));
  EXPECT_EQ(finish(again.record.id).status, RunStatus::completed);
  EXPECT_THAT(did_, ElementsAre("first"));
}

TEST_F(RunRetryTest, SignalsThatCameBeforeAreThereTakenOrNot) {
  std::vector<std::string> heard;
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    heard.push_back(co_await run.signal<std::string>("say"));
    co_await run.step("first", [&] { return 1; });
    heard.push_back(co_await run.signal<std::string>("say"));
    co_await run.step("second", [&] {
      if (broken_) throw lasting("not yet");
    });
    co_return nullptr;
  };
  const auto old = start("t");
  for (const auto* word : {"one", "two"})
    engine_->signal(old, {.name = "say", .key = word, .payload = word}, [](std::exception_ptr) {});
  EXPECT_EQ(finish(old).status, RunStatus::failed);
  broken_ = false;
  heard.clear();
  const auto again = retry(old, "first");
  EXPECT_EQ(finish(again.record.id).status, RunStatus::completed);
  EXPECT_EQ(heard.back(), "two");
  EXPECT_THAT(again.taken_over, ElementsAre("say"));
}

TEST_F(RunRetryTest, AChildThatEndedBeforeIsNotStartedAgainAndOneThatHadNotIs) {
  bodies_["child"] = [&](Context& run, const Value& input) -> Flow {
    co_await run.step("work", did("child " + std::string(input.as_string())));
    if (input == "slow") co_await run.sleep("long", 20s);
    co_return input;
  };
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    co_await run.child<std::string>("quick", "child", std::string("quick"));
    auto slow = run.start_child<std::string>("slow", "child", std::string("slow"));
    co_await run.step("first", did("first"));
    co_await run.step("second", [&] {
      if (broken_) throw lasting("not yet");
    });
    co_await slow;
    co_return nullptr;
  };
  const auto old = fail("t");
  broken_ = false;
  const auto again = retry(old, "second");
  EXPECT_THAT(again.taken_over, ElementsAre("quick"));
  EXPECT_EQ(again.starts_at, "slow");
  const auto ended = finish(again.record.id);
  EXPECT_EQ(ended.status, RunStatus::completed);
  EXPECT_EQ(ended.find("quick")->child, state(old).find("quick")->child);
  EXPECT_NE(ended.find("slow")->child, state(old).find("slow")->child);
  EXPECT_EQ(std::ranges::count(did_, "child quick"), 1);
  EXPECT_EQ(row(RunId(ended.find("slow")->child)).record.retry_of, "");
}

TEST_F(RunRetryTest, AFanOutIsTakenOverWithItsItemsOrFromAnItemOn) {
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    const auto all =
        co_await run.for_each("each", std::vector<int>{0, 1, 2, 3}, Wide{.width = 1}, Retry{}, [&](const int& item) {
          did_.push_back(std::to_string(item));
          return item * 10;
        });
    int sum = 0;
    for (const auto& item : all) sum += *item;
    co_await run.step("second", [&] {
      if (broken_) throw lasting("not yet");
    });
    co_return sum;
  };
  const auto old = fail("t");
  broken_ = false;
  did_.clear();
  const auto whole = retry(old, "second");
  EXPECT_THAT(whole.taken_over, ElementsAre("each"));
  EXPECT_EQ(finish(whole.record.id).output, Value(60));
  EXPECT_THAT(did_, IsEmpty());
  const auto part = retry(old, "each[2]");
  EXPECT_THAT(part.taken_over, ElementsAre("each[0]", "each[1]"));
  EXPECT_EQ(finish(part.record.id).output, Value(60));
  EXPECT_THAT(did_, ElementsAre("2", "3"));
}

TEST_F(RunRetryTest, ARunWithoutEndGoesOnInItsLastGeneration) {
  bodies_["t"] = [&](Context& run, const Value& input) -> Flow {
    const auto round = input.to_number<std::int64_t>();
    co_await run.step("first", did("first " + std::to_string(round)));
    if (round == 3) {
      co_await run.step("second", [&] {
        if (broken_) throw lasting("not yet");
      });
      co_return co_await run.signal<std::string>("kept");
    }
    co_return co_await run.continue_as_new<Value>(round + 1);
  };
  const auto old = start("t", 1);
  engine_->signal(old, {.name = "kept", .key = "k", .payload = "kept word"}, [](std::exception_ptr) {});
  EXPECT_EQ(finish(old).status, RunStatus::failed);
  broken_ = false;
  did_.clear();
  const auto again = retry(old, "second");
  const auto ended = finish(again.record.id);
  EXPECT_EQ(ended.status, RunStatus::completed);
  EXPECT_EQ(ended.output, Value("kept word"));
  EXPECT_EQ(ended.generation, 3);
  EXPECT_THAT(did_, IsEmpty());
}

TEST_F(RunRetryTest, SecretAndLargeResultsComeAlong) {
  const std::string large(100'000, 'x');
  bool right = false;
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    const auto secret = co_await run.step("first", [] { return base::Secret("hush"); });
    const auto much = co_await run.step("much", [&] { return large; });
    co_await run.step("second", [&, secret, much] {
      if (broken_) throw lasting("not yet");
      right = secret.reveal() == "hush" && much == large;
    });
    co_return nullptr;
  };
  const auto old = fail("t");
  broken_ = false;
  const auto again = retry(old, "second");
  EXPECT_THAT(again.taken_over, ElementsAre("first", "much"));
  EXPECT_EQ(finish(again.record.id).status, RunStatus::completed);
  EXPECT_TRUE(right);
  for (const auto& event : journal(again.record.id))
    EXPECT_EQ(json::print_value(event.data).find("hush"), std::string::npos);
}

// WF-15: acknowledged, and the process died before it was launched
TEST_F(RunRetryTest, ARetryThatWasCommittedIsNotLostInACrash) {
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", did("first"));
    co_await run.step("second", [&] {
      if (broken_) throw lasting("not yet");
    });
    co_return nullptr;
  };
  const auto old = fail("t");
  broken_ = false;
  const auto again = insert(old, "second");
  boot();
  EXPECT_EQ(finish(again.record.id).status, RunStatus::completed);
  EXPECT_THAT(did_, ElementsAre("first"));
}

TEST_F(RunRetryTest, OnlyWhatFailedOrWasCancelledIsRetriedAndOnceAtATime) {
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", [&] {
      if (broken_) throw lasting("not yet");
    });
    co_await run.signal<void>("go");
    co_return nullptr;
  };
  const auto old = fail("t");
  EXPECT_EQ(refusal(RunId("run_unknown")).code(), "NOT_FOUND");
  const auto failed = retry(old).record.id;
  EXPECT_EQ(finish(failed).status, RunStatus::failed);
  broken_ = false;
  const auto again = retry(failed).record.id;
  EXPECT_EQ(refusal(again).code(), "INVALID_STATE_TRANSITION");
  EXPECT_EQ(refusal(failed).code(), "CONFLICT");
  EXPECT_EQ(refusal(old).code(), "CONFLICT");  // its retry's retry is at work
  EXPECT_EQ(refusal(old).details().at("run"), Value(again.str()));
  engine_->signal(again, {.name = "go"}, [](std::exception_ptr) {});
  EXPECT_EQ(finish(again).status, RunStatus::completed);
  EXPECT_EQ(refusal(again).code(), "INVALID_STATE_TRANSITION");
}

TEST_F(RunRetryTest, AWorkflowMayRefuseAndThenThereIsNoRun) {
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", [] { throw lasting("never"); });
    co_return nullptr;
  };
  on_retry_ = [](store::Transaction&, const Value& input, const Again&) {
    throw base::invalid_state("the thing is gone: " + std::string(input.as_string()));
  };
  const auto old = fail("t", "thing");
  EXPECT_EQ(refusal(old).message(), "the thing is gone: thing");
  world_.disk().read([&](store::Transaction& tx) { EXPECT_EQ(retried_by(tx, old), std::nullopt); });
}

TEST_F(RunRetryTest, OneThatStoodInAQueueStandsInItAgain) {
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", did("first"));
    co_await run.step("second", [&] {
      if (broken_) throw lasting("not yet");
    });
    co_await run.signal<void>("go");
    co_return nullptr;
  };
  world_.disk().write([&](store::Transaction& tx) { queues::put(tx, "q", {.concurrency = 1}, world_.now()); });
  const auto old = start("t", nullptr, Ticket{.queue = "q", .key = "usr_1"});
  EXPECT_EQ(finish(old).status, RunStatus::failed);
  broken_ = false;
  const auto other = start("t", nullptr, Ticket{.queue = "q"});
  play([&] { return state(other).find("second") != nullptr && state(other).find("second")->ended_at; });
  const auto again = retry(old, "second").record.id;
  EXPECT_EQ(state(again).status, RunStatus::pending);
  EXPECT_EQ(row(again).record.queue, "q");
  for (const auto& run : {other, again}) {
    engine_->signal(run, {.name = "go"}, [](std::exception_ptr) {});
    EXPECT_EQ(finish(run).status, RunStatus::completed);
  }
  EXPECT_THAT(did_, ElementsAre("first", "first"));
  play([&] { return told_[again].back().type == EventType::run_completed; });
  EXPECT_EQ(fold_all(told_[again]).last_seq, state(again).last_seq);
}

// ---- on real databases, whose transactions run beside each other

class RetryRace : public ::testing::TestWithParam<store::Dialect> {};

TEST_P(RetryRace, OfTwoAtTheSameTimeOneMakesARun) {
  store::testing::TemporaryFolder folder;
  const auto url = GetParam() == store::Dialect::sqlite ? (folder.path() / "slipway.db").string()
                                                        : store::testing::PostgresCluster::shared().create_database();
  const auto database = store::open(url);
  const auto second = GetParam() == store::Dialect::postgres ? store::open(url) : nullptr;
  const Workflow workflow{.type = "t", .outline = {"first"}};
  const Instant now = base::from_unix_ms(1'700'000'000'000);
  constexpr int kRounds = 20;
  database->write_and_wait([&](store::Transaction& tx) {
    tx.execute("INSERT INTO replicas (id, name, joined_at) VALUES ('rep_1', 'test', 0)");
    for (int i = 0; i < kRounds; ++i) {
      const RunId run("run_" + std::to_string(i));
      journal::insert_run(tx, {.id = run, .type = "t", .started_at = now, .replica = base::ReplicaId("rep_1")});
      const Event end{.seq = 2, .type = EventType::run_cancelled, .at = now, .step = {}, .data = {}};
      journal::append(tx, {{&run, &end}});
      journal::set_ended(tx, run, fold_all(journal::events(tx, run)));
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    std::atomic<int> made = 0, refused = 0;
    const auto retry = [&](store::Database& at, const std::string& who) {
      const RetryRequest request{.of = RunId("run_" + std::to_string(i)),
                                 .from_step = "",
                                 .by = who,
                                 .id = RunId("run_" + who + std::to_string(i)),
                                 .replica = base::ReplicaId("rep_1"),
                                 .at = now};
      try {
        at.write_and_wait(
            [&](store::Transaction& tx) { insert_retry(tx, request, [&](const std::string&) { return &workflow; }); });
        ++made;
      } catch (const base::Error& error) {
        EXPECT_EQ(error.code(), "CONFLICT");
        ++refused;
      }
    };
    {
      const std::jthread beside([&] { retry(second ? *second : *database, "b"); });
      retry(*database, "a");
    }
    EXPECT_EQ(made, 1);
    EXPECT_EQ(refused, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(OnSqlite, RetryRace, ::testing::Values(store::Dialect::sqlite));
INSTANTIATE_TEST_SUITE_P(OnPostgres, RetryRace, ::testing::Values(store::Dialect::postgres));

}  // namespace
}  // namespace slipway::durable
