#include "store/group_writer.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "store/testing/gate.h"
#include "store/testing/outcomes.h"
#include "store/testing/scripted_session.h"

namespace slipway::store {
namespace {

using testing::CommitFault;
using testing::Gate;
using testing::Outcomes;
using testing::ScriptedDatabase;
using Numbers = std::vector<std::int64_t>;

// Back-offs are short, and patience long: what must not give up does not, on a slow machine too.
GroupWriter::Options options(base::Duration give_up_after = std::chrono::minutes(1)) {
  return {.writer = "w",
          .give_up_after = give_up_after,
          .first_back_off = base::Duration(1),
          .longest_back_off = base::Duration(4)};
}

class GroupWriterTest : public ::testing::Test {
 protected:
  void start(GroupWriter::Options with = options()) {
    writer_ = std::make_unique<GroupWriter>(database_.connect(), std::move(with), endings_);
  }
  void write(int number) {
    writer_->write([number](Transaction& tx) { ScriptedDatabase::add(tx, number); }, outcomes_.done(number));
  }
  // The writes of `numbers` become one group.
  void write_group(const std::vector<int>& numbers) {
    Gate started, gate;
    const auto hold = [&](Transaction&) {
      started.open();
      gate.wait();
    };
    writer_->write(hold, holding_.done(0));
    started.wait();
    for (const int number : numbers) write(number);
    gate.open();
    holding_.wait();
  }
  void wait_until(const std::function<bool()>& holds) {
    while (!holds()) std::this_thread::yield();
  }

  ScriptedDatabase database_;
  Endings endings_;
  Outcomes outcomes_, holding_;
  std::unique_ptr<GroupWriter> writer_;
};

TEST_F(GroupWriterTest, WritesThatWaitShareOneTransaction) {
  start();
  write_group({1, 2, 3});
  EXPECT_EQ(outcomes_.failed(), 0u);
  EXPECT_EQ(database_.stored(), (Numbers{1, 2, 3}));
  EXPECT_EQ(writer_->statistics().groups, 2u);  // one held the writer
  EXPECT_EQ(writer_->statistics().writes, 4u);
}

TEST_F(GroupWriterTest, AGroupHasALimit) {
  auto with = options();
  with.group_max = 2;
  start(std::move(with));
  write_group({1, 2, 3, 4, 5});
  EXPECT_EQ(outcomes_.failed(), 0u);
  EXPECT_EQ(writer_->statistics().groups, 4u);
}

TEST_F(GroupWriterTest, RefusesAWriteAtOnceWhenTooManyWait) {
  auto with = options();
  with.queue_max = 2;
  start(std::move(with));
  write_group({1, 2, 3});
  EXPECT_EQ(outcomes_.code(3), "STORE_BUSY");
  EXPECT_EQ(database_.stored(), (Numbers{1, 2}));
}

TEST_F(GroupWriterTest, ACommitWhoseAnswerWasLostButIsStoredIsNotRepeated) {
  database_.fail_commits({CommitFault::none, CommitFault::unknown_but_stored});
  start();
  write_group({1, 2, 3});
  EXPECT_EQ(outcomes_.failed(), 0u);
  EXPECT_EQ(database_.stored(), (Numbers{1, 2, 3}));
  EXPECT_EQ(writer_->statistics().failed_groups, 1u);
}

TEST_F(GroupWriterTest, ACommitWhoseAnswerWasLostAndIsNotStoredIsRunAgain) {
  database_.fail_commits({CommitFault::none, CommitFault::unknown_and_not_stored});
  start();
  write_group({1, 2, 3});
  EXPECT_EQ(outcomes_.failed(), 0u);
  EXPECT_EQ(database_.stored(), (Numbers{1, 2, 3}));
  EXPECT_TRUE(outcomes_.each_was_called_once());
}

TEST_F(GroupWriterTest, AnEndingIsGivenWhatWasLeftInTheRunThatIsCommittedAndNothingOfEarlierOnes) {
  std::vector<std::size_t> calls;
  endings_.add("note", [&](Transaction& tx, std::span<const std::any> items) {
    calls.push_back(items.size());
    ScriptedDatabase::add(tx, 100 + std::int64_t(items.size()));
  });
  database_.fail_commits({CommitFault::none, CommitFault::unknown_and_not_stored, CommitFault::none /* the look */,
                          CommitFault::refused_for_now});
  start();
  Gate started, gate;
  writer_->write(
      [&](Transaction&) {
        started.open();
        gate.wait();
      },
      holding_.done(0));
  started.wait();
  for (const int number : {1, 2})
    writer_->write([](Transaction& tx) { tx.leave_to("note", 0); }, outcomes_.done(number));
  gate.open();
  EXPECT_EQ(outcomes_.failed(), 0u);
  // Together at first, then again for the answer that was lost, then one by one for the refusal.
  EXPECT_EQ(calls, (std::vector<std::size_t>{2, 2, 1, 1}));
  EXPECT_EQ(database_.stored(), (Numbers{101, 101}));
}

TEST_F(GroupWriterTest, NothingIsWrittenBeforeTheTruthAboutACommitIsKnown) {
  database_.fail_commits({CommitFault::unknown_but_stored});
  start();
  write(1);
  outcomes_.wait();
  write(2);
  outcomes_.wait();
  const std::vector<std::string> expected{"connect", "begin",       "commit", "connect",
                                          "begin",   "read marker", "commit", "begin"};
  auto log = database_.log();
  log.resize(expected.size());
  EXPECT_EQ(log, expected);
}

TEST_F(GroupWriterTest, AnUnknownOutcomeWaitsForTheDatabaseWhileOthersGiveUp) {
  start(options(base::Duration(20)));
  Gate started, gate;
  const auto hold = [&](Transaction& tx) {
    ScriptedDatabase::add(tx, 1);
    started.open();
    gate.wait();
  };
  Outcomes in_doubt;
  writer_->write(hold, in_doubt.done(1));
  started.wait();
  database_.set_away(true);  // the COMMIT gets no answer
  gate.open();
  write(2);
  EXPECT_EQ(outcomes_.code(2), "STORE_UNAVAILABLE");
  wait_until([&] { return !writer_->statistics().healthy; });  // one failure is not yet enough for that
  EXPECT_EQ(database_.stored(), Numbers{});
  database_.set_away(false);
  EXPECT_TRUE(in_doubt.succeeded(1));
  EXPECT_EQ(database_.stored(), Numbers{1});
}

TEST_F(GroupWriterTest, ClosingSaysOfAnUnknownOutcomeThatItIsUnknown) {
  start();
  Gate started, gate;
  const auto hold = [&](Transaction&) {
    started.open();
    gate.wait();
  };
  writer_->write(hold, outcomes_.done(1));
  started.wait();
  database_.set_away(true);
  gate.open();
  wait_until([&] { return writer_->statistics().failed_groups == 1; });
  write(2);
  writer_.reset();
  EXPECT_EQ(outcomes_.code(1), "STORE_OUTCOME_UNKNOWN");
  EXPECT_EQ(outcomes_.code(2), "STORE_UNAVAILABLE");
  EXPECT_TRUE(outcomes_.each_was_called_once());
}

TEST_F(GroupWriterTest, AWriteThatIsRefusedAtCommitTakesNobodyWithIt) {
  start();
  write_group({1, 2, int(ScriptedDatabase::kRefusedAtCommit), 3, 4});
  EXPECT_EQ(outcomes_.failed(), 1u);
  EXPECT_EQ(outcomes_.code(int(ScriptedDatabase::kRefusedAtCommit)), "CONSTRAINT_VIOLATED");
  EXPECT_EQ(database_.stored(), (Numbers{1, 2, 3, 4}));
  EXPECT_TRUE(writer_->statistics().healthy);
}

TEST_F(GroupWriterTest, AWriteThatDoomsItsTransactionTakesNobodyWithIt) {
  start();
  write_group({1, int(ScriptedDatabase::kBroken), 2, int(ScriptedDatabase::kFull), 3});
  EXPECT_EQ(outcomes_.code(int(ScriptedDatabase::kBroken)), "INTERNAL_ERROR");
  EXPECT_EQ(outcomes_.code(int(ScriptedDatabase::kFull)), "STORE_FULL");
  EXPECT_EQ(outcomes_.failed(), 2u);
  EXPECT_EQ(database_.stored(), (Numbers{1, 2, 3}));
}

TEST_F(GroupWriterTest, ACommitRefusedForNowIsTriedAgain) {
  database_.fail_commits({CommitFault::none, CommitFault::refused_for_now, CommitFault::refused_for_now});
  start();
  write_group({1, 2});
  EXPECT_EQ(outcomes_.failed(), 0u);
  EXPECT_EQ(database_.stored(), (Numbers{1, 2}));
}

TEST_F(GroupWriterTest, WritesGiveUpOnADatabaseThatIsAwayAndItHealsByItself) {
  database_.set_away(true);
  start(options(base::Duration(10)));
  write(1);
  write(2);
  EXPECT_EQ(outcomes_.code(1), "STORE_UNAVAILABLE");
  EXPECT_EQ(outcomes_.code(2), "STORE_UNAVAILABLE");
  wait_until([&] { return !writer_->statistics().healthy; });
  database_.set_away(false);
  wait_until([&] { return writer_->statistics().healthy; });  // although nobody writes
  write(3);
  EXPECT_TRUE(outcomes_.succeeded(3));
  EXPECT_EQ(database_.stored(), Numbers{3});
}

TEST_F(GroupWriterTest, AWriteWaitsForADatabaseThatComesBackInTime) {
  database_.set_away(true);
  start();
  write(1);
  wait_until([&] { return !writer_->statistics().healthy; });
  database_.set_away(false);
  EXPECT_TRUE(outcomes_.succeeded(1));
}

// Whatever happens to commits and connections: what was reported done is stored once, what was reported failed is not
// stored, and the order is that of the writes.
TEST_F(GroupWriterTest, KeepsItsPromisesUnderRandomFaults) {
  for (int seed = 1; seed <= 100; ++seed) {
    base::SeededRandom random{std::uint64_t(seed)};
    ScriptedDatabase database;
    Outcomes outcomes;
    std::deque<CommitFault> faults;
    for (int i = 0; i < 60; ++i) faults.push_back(random.below(3) ? CommitFault::none : CommitFault(random.below(5)));
    database.fail_commits(std::move(faults));
    constexpr int kWrites = 200;
    {
      const Endings endings;
      GroupWriter writer(database.connect(), options(base::Duration(5)), endings);
      for (int i = 0; i < kWrites; ++i) {
        const auto work = [i](Transaction& tx) {
          ScriptedDatabase::add(tx, i);
          if (i % 17 == 3) throw base::invalid_state("refused");
        };
        writer.write(work, outcomes.done(i));
        if (random.below(20) == 0) database.set_away(random.below(3) == 0);
      }
      database.set_away(false);
      outcomes.wait();
    }
    Numbers expected;
    for (int i = 0; i < kWrites; ++i)
      if (outcomes.succeeded(i)) expected.push_back(i);
    ASSERT_EQ(database.stored(), expected) << "seed " << seed;
    ASSERT_TRUE(outcomes.each_was_called_once()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace slipway::store
