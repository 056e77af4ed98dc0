// The SQL of queues on both databases: who is admitted, who waits, and which starts are the same.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "durable/journal.h"
#include "durable/queue_admission.h"
#include "durable/queue_standing.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::durable {
namespace {

using store::Dialect;
using store::Transaction;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

const Instant kNow = base::from_unix_ms(1'700'000'000'000);
const base::ReplicaId kSelf{"rep_1"};

class Queues : public ::testing::TestWithParam<Dialect> {
 protected:
  Queues()
      : database_(store::open(GetParam() == Dialect::sqlite
                                  ? (folder_.path() / "slipway.db").string()
                                  : store::testing::PostgresCluster::shared().create_database())) {
    write([](Transaction& tx) {
      tx.execute("INSERT INTO replicas (id, name, joined_at) VALUES ($1, 'hub', 0)", {kSelf.str()});
    });
  }

  void write(store::Work work) { database_->write_and_wait(std::move(work)); }
  void read(store::Work work) { database_->read_and_wait(std::move(work)); }
  void put(const std::string& queue, const QueueLimits& limits) {
    write([&](Transaction& tx) { queues::put(tx, queue, limits, now_); });
  }

  // Runs are named by the caller; returns whom the start means.
  std::string start(const std::string& run, Ticket ticket, std::int64_t input = 0) {
    RunId meant;
    const RunRecord record{.id = RunId(run),
                           .type = "test",
                           .owner_id = "usr",
                           .input = input,
                           .started_at = now_,
                           .replica = kSelf,
                           .ticket = std::make_shared<const Ticket>(std::move(ticket))};
    write([&](Transaction& tx) { meant = journal::insert_run(tx, record); });
    return meant.str();
  }

  std::vector<std::string> admit(const std::string& queue, std::int64_t page = 100) {
    write([&](Transaction& tx) { last_ = queues::admit(tx, queue, kSelf, now_, page); });
    std::vector<std::string> admitted;
    for (const auto& each : last_.runs) admitted.push_back(each.run.record.id.str());
    return admitted;
  }

  void end(const std::string& run) {
    write([&](Transaction& tx) {
      RunState state;
      state.status = RunStatus::completed;
      state.ended_at = now_;
      journal::set_ended(tx, RunId(run), state);
      queues::leave(tx, RunId(run));
    });
  }

  queues::Standing standing(const std::string& run) {
    std::optional<queues::Standing> found;
    read([&](Transaction& tx) { found = queues::standing_of(tx, RunId(run), now_); });
    return found.value();
  }

  std::string code_of(const std::function<void()>& deed) {
    try {
      deed();
    } catch (const base::Error& error) {
      return error.code();
    }
    return "";
  }

  store::testing::TemporaryFolder folder_;
  std::unique_ptr<store::Database> database_;
  Instant now_ = kNow;
  queues::Admission last_;
};

TEST_P(Queues, AsManyAreAdmittedAsMayBeAtWorkAndTheNextWhenOneHasEnded) {
  put("q", {.concurrency = 2});
  for (const auto* run : {"r1", "r2", "r3", "r4"}) start(run, {.queue = "q"});
  EXPECT_THAT(admit("q"), ElementsAre("r1", "r2"));
  EXPECT_TRUE(last_.is_full);
  EXPECT_THAT(admit("q"), IsEmpty());
  end("r1");
  EXPECT_THAT(admit("q"), ElementsAre("r3"));
}

TEST_P(Queues, AnAdmittedRunIsTheTakersAndItsJournalSaysSo) {
  put("q", {.concurrency = 2});
  start("r1", {.queue = "q"});
  const auto status = [&] {
    RunState state;
    std::optional<journal::Row> row;
    read([&](Transaction& tx) {
      state = fold_all(journal::events(tx, RunId("r1")));
      row = journal::find(tx, RunId("r1"));
    });
    EXPECT_EQ(row->status, state.status);
    EXPECT_EQ(row->record.queue, "q");
    return std::pair(state.status, row->record.replica.str());
  };
  EXPECT_EQ(status(), std::pair(RunStatus::pending, std::string()));
  now_ += 5s;
  admit("q");
  EXPECT_EQ(status(), std::pair(RunStatus::running, kSelf.str()));
  EXPECT_EQ(last_.runs.front().event.data.at("waitedMs").as_int64(), 5'000);
}

TEST_P(Queues, AKeyAtItsLimitDoesNotHoldUpTheOthers) {
  put("q", {.key_concurrency = 1});
  for (const auto* run : {"a1", "a2", "a3", "b1"}) start(run, {.queue = "q", .key = std::string(run, 1)});
  start("n1", {.queue = "q"});
  start("n2", {.queue = "q"});  // without a key: not counted
  auto admitted = admit("q");
  EXPECT_THAT(admitted, ::testing::UnorderedElementsAre("a1", "b1", "n1", "n2"));
  end("a1");
  EXPECT_THAT(admit("q"), ElementsAre("a2"));
}

TEST_P(Queues, KeysTakeTurnsHoweverManyOneOfThemHas) {
  put("q", {.concurrency = 1});
  for (int i = 0; i < 10; ++i) start("a" + std::to_string(i), {.queue = "q", .key = "a"});
  EXPECT_THAT(admit("q"), ElementsAre("a0"));
  start("b0", {.queue = "q", .key = "b"});
  start("b1", {.queue = "q", .key = "b"});
  std::vector<std::string> order;
  for (std::string at_work = "a0"; order.size() < 5; order.push_back(at_work)) {
    end(at_work);
    at_work = admit("q").at(0);
  }
  EXPECT_THAT(order, ElementsAre("a1", "b0", "a2", "b1", "a3"));
}

TEST_P(Queues, AHigherPriorityGoesFirstButEveryEighthPlaceIsForTheOldest) {
  put("q", {});
  for (int i = 0; i < 3; ++i) start("low" + std::to_string(i), {.queue = "q", .priority = -1});
  for (int i = 0; i < 20; ++i) start("high" + std::to_string(i), {.queue = "q", .priority = 1});
  const auto order = admit("q");
  ASSERT_EQ(order.size(), 23u);
  EXPECT_EQ(order[6], "high6");
  EXPECT_EQ(order[7], "low0");
  EXPECT_EQ(order[15], "low1");
  EXPECT_EQ(order[22], "low2");
}

TEST_P(Queues, ARateIsKeptAndSaysWhenItGoesOn) {
  put("q", {.rate = Rate{.count = 2, .period = 1s}});
  for (const auto* run : {"r1", "r2", "r3"}) start(run, {.queue = "q"});
  EXPECT_THAT(admit("q"), ElementsAre("r1", "r2"));
  EXPECT_EQ(last_.again_at, kNow + 500ms);
  EXPECT_EQ(standing("r3").reason, WaitReason::rate);
  now_ += 500ms;
  EXPECT_THAT(admit("q"), ElementsAre("r3"));
}

TEST_P(Queues, AFullQueueRefusesAStartAndLeavesNothingOfIt) {
  put("q", {.concurrency = 1, .size = 2});
  start("r1", {.queue = "q"});
  admit("q");
  start("r2", {.queue = "q"});
  start("r3", {.queue = "q"});
  EXPECT_EQ(code_of([&] { start("r4", {.queue = "q", .dedup_key = "k"}); }), "QUEUE_FULL");
  read([](Transaction& tx) { EXPECT_FALSE(journal::find(tx, RunId("r4"))); });
  end("r1");
  admit("q");
  EXPECT_EQ(start("r5", {.queue = "q", .dedup_key = "k"}), "r5");
}

TEST_P(Queues, APausedQueueAdmitsNobodyUntilItIsResumed) {
  put("q", {});
  start("r1", {.queue = "q"});
  write([&](Transaction& tx) { queues::set_pause(tx, "q", Pause{now_, "usr_1", "the cloud is down"}, now_); });
  EXPECT_THAT(admit("q"), IsEmpty());
  EXPECT_EQ(standing("r1").reason, WaitReason::paused);
  EXPECT_EQ(standing("r1").explanation, "queue 'q' was paused by usr_1: the cloud is down");
  put("q", {.concurrency = 5});  // new limits do not end a pause
  EXPECT_THAT(admit("q"), IsEmpty());
  write([&](Transaction& tx) { queues::set_pause(tx, "q", std::nullopt, now_); });
  EXPECT_THAT(admit("q"), ElementsAre("r1"));
}

TEST_P(Queues, WhoWaitsInAQueueThatIsDeletedWaitsNoLonger) {
  put("q", {.concurrency = 1});
  for (const auto* run : {"r1", "r2", "r3"}) start(run, {.queue = "q"});
  admit("q");
  write([](Transaction& tx) { queues::remove(tx, "q"); });
  EXPECT_THAT(admit("q"), IsEmpty());
  EXPECT_THAT(admit("default"), ElementsAre("r2", "r3"));
  EXPECT_EQ(start("r4", {.queue = "q"}), "r4");  // as by a replica that does not know it yet
  EXPECT_THAT(admit("default"), ElementsAre("r4"));
  EXPECT_EQ(code_of([&] { write([](Transaction& tx) { queues::remove(tx, "default"); }); }),
            "INVALID_STATE_TRANSITION");
  EXPECT_EQ(code_of([&] { write([](Transaction& tx) { queues::remove(tx, "q"); }); }), "NOT_FOUND");
}

TEST_P(Queues, ADelayedStartArrivesWhenItsTimeHasComeBehindThoseThatWaitAlready) {
  put("q", {.concurrency = 1});
  start("late", {.queue = "q", .not_before = kNow + 10s});
  EXPECT_THAT(admit("q"), IsEmpty());
  EXPECT_EQ(last_.again_at, kNow + 10s);
  EXPECT_EQ(standing("late").reason, WaitReason::not_before);
  EXPECT_EQ(standing("late").until, kNow + 10s);
  now_ += 9s;
  start("early", {.queue = "q"});
  now_ += 2s;
  EXPECT_THAT(admit("q"), ElementsAre("early"));
  end("early");
  EXPECT_THAT(admit("q"), ElementsAre("late"));
}

TEST_P(Queues, AStartUnderAKeyIsTheRunThatHasItUntilSomeTimeAfterItsEnd) {
  const Ticket ticket{.queue = "default", .dedup_key = "k", .dedup_kept = 60s};
  EXPECT_EQ(start("r1", ticket), "r1");
  EXPECT_EQ(start("r2", ticket), "r1");
  admit("default");
  EXPECT_EQ(start("r3", ticket), "r1");
  end("r1");
  EXPECT_EQ(start("r4", ticket), "r1");
  now_ += 60s;
  EXPECT_EQ(start("r5", ticket), "r5");
  EXPECT_EQ(start("r6", ticket), "r5");
  EXPECT_THAT(admit("default"), ElementsAre("r5"));
}

TEST_P(Queues, ADebouncedStartBeginsWithTheLastInputWhenNoneCameForAWhile) {
  const Ticket ticket{.queue = "default", .debounce = Debounce{.key = "k", .wait = 10s, .wait_max = 25s}};
  EXPECT_EQ(start("r1", ticket, 1), "r1");
  now_ += 8s;
  EXPECT_EQ(start("r2", ticket, 2), "r1");
  now_ += 8s;
  EXPECT_THAT(admit("default"), IsEmpty());
  EXPECT_EQ(start("r3", ticket, 3), "r1");
  now_ = kNow + 25s;  // not longer than this, however many come
  EXPECT_THAT(admit("default"), ElementsAre("r1"));
  EXPECT_EQ(last_.runs.front().run.record.input, 3);
  EXPECT_EQ(start("r4", ticket, 4), "r4");
}

TEST_P(Queues, ALeadingDebounceBeginsAtOnceAndTakesWhatFollowsForTheSame) {
  const Ticket ticket{.queue = "default",
                      .debounce = Debounce{.key = "k", .mode = DebounceMode::leading, .wait = 10s, .wait_max = 15s}};
  EXPECT_EQ(start("r1", ticket), "r1");
  EXPECT_THAT(admit("default"), ElementsAre("r1"));
  now_ += 9s;
  EXPECT_EQ(start("r2", ticket), "r1");
  now_ += 5s;
  EXPECT_EQ(start("r3", ticket), "r1");
  now_ += 2s;
  EXPECT_EQ(start("r4", ticket), "r4");
}

TEST_P(Queues, WhereOneStandsIsWhereItIsAdmitted) {
  put("q", {.concurrency = 1});
  start("first", {.queue = "q"});
  admit("q");
  std::vector<std::string> waiting;
  for (int i = 0; i < 12; ++i) {
    const std::string run = "r" + std::to_string(i);
    start(run, {.queue = "q", .key = i < 8 ? "a" : "b", .weight = i < 8 ? 1 : 2});
    waiting.push_back(run);
  }
  std::map<std::int64_t, std::string> expected;
  for (const auto& run : waiting) expected[standing(run).ahead] = run;
  EXPECT_EQ(standing("r3").reason, WaitReason::concurrency);
  std::vector<std::string> order;
  for (std::string at_work = "first"; order.size() < waiting.size(); order.push_back(at_work)) {
    end(at_work);
    at_work = admit("q").at(0);
  }
  std::vector<std::string> predicted;
  for (const auto& [ahead, run] : expected) predicted.push_back(run);
  EXPECT_EQ(order, predicted);
}

TEST_P(Queues, WithdrawnRunsAreGoneFromTheLineAndAdmittedOnesCannotBe) {
  put("q", {.concurrency = 1});
  for (const auto* run : {"r1", "r2", "r3"}) start(run, {.queue = "q"});
  admit("q");
  write([](Transaction& tx) {
    EXPECT_FALSE(queues::withdraw(tx, RunId("r1")));
    EXPECT_TRUE(queues::withdraw(tx, RunId("r2")));
  });
  end("r1");
  EXPECT_THAT(admit("q"), ElementsAre("r3"));
}

TEST_P(Queues, TheSweepFindsLostPlacesAndLostRunsAndForgetsOldKeys) {
  put("q", {.concurrency = 1});
  for (const auto* run : {"r1", "r2"}) start(run, {.queue = "q", .dedup_key = run});
  admit("q");
  const auto examined = [&] {
    queues::Examination found;
    read([&](Transaction& tx) { found = queues::examine(tx, now_); });
    return found;
  };
  EXPECT_EQ(examined().broken, 0);
  write([&](Transaction& tx) {
    RunState state;
    state.status = RunStatus::completed;
    state.ended_at = now_;
    journal::set_ended(tx, RunId("r1"), state);  // and its place is forgotten
    queues::withdraw(tx, RunId("r2"));           // and it is not ended
  });
  EXPECT_EQ(examined().broken, 2);
  EXPECT_TRUE(examined().has_old_keys);
  write([&](Transaction& tx) {
    EXPECT_EQ(queues::mend(tx, now_), 2);
    queues::forget_old_keys(tx, now_);
  });
  EXPECT_EQ(examined().broken, 0);
  EXPECT_FALSE(examined().has_old_keys);
  EXPECT_THAT(admit("default"), ElementsAre("r2"));
}

TEST_P(Queues, AGlanceKnowsWhereSomebodyMayBeAdmitted) {
  put("closed", {.concurrency = 1});
  put("empty", {});
  start("r1", {.queue = "closed"});
  admit("closed");
  start("r2", {.queue = "closed"});
  start("r3", {.queue = "default"});
  start("r4", {.queue = "empty", .not_before = kNow + 1s});
  std::map<std::string, bool> found;
  read([&](Transaction& tx) {
    for (const auto& queue : queues::glance(tx, now_)) found[queue.name] = queue.may_admit;
  });
  EXPECT_THAT(found, ElementsAre(std::pair("closed", false), std::pair("default", true), std::pair("empty", false)));
}

INSTANTIATE_TEST_SUITE_P(OnSqlite, Queues, ::testing::Values(Dialect::sqlite));
INSTANTIATE_TEST_SUITE_P(OnPostgres, Queues, ::testing::Values(Dialect::postgres));

}  // namespace
}  // namespace slipway::durable
