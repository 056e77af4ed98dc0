// Jobs whose daemon is lost, or that no daemon could take (RUN-12, RUN-15), and those that are old.

#include <set>

#include "fleet/job_census.h"
#include "fleet/job_log.h"
#include "fleet/testing/job_world.h"

namespace slipway::fleet {
namespace {

// ---- a daemon that is lost (RUN-15, and the known reaper's cases)

TEST_P(Jobs, NothingIsTakenBackWhileDaemonsLive) {
  insert("1");
  insert("2");
  const auto held = *take(make_daemon("a"));
  now_ += kLease;
  EXPECT_TRUE(sweep().empty());
  update(held);
  now_ += kLease;
  EXPECT_TRUE(sweep().empty());
}

TEST_P(Jobs, ALostJobIsDoneBySomebodyElseAndItsOldHolderIsShutOut) {
  const auto a = make_daemon("a"), b = make_daemon("b");
  insert("1");
  const auto old = *take(a);
  now_ += kLease + 1ms;
  EXPECT_THAT(sweep().requeued, SizeIs(1));
  EXPECT_EQ(refusal([&] { update(old); }), "JOB_LEASE_LOST");
  EXPECT_EQ(refusal([&] { complete(old); }), "JOB_LEASE_LOST");
  EXPECT_EQ(refusal([&] { fail(old, base::ErrorClass::user); }), "JOB_LEASE_LOST");
  const auto anew = *take(b);
  EXPECT_EQ(anew.attempt, 2);
  EXPECT_GT(anew.fence, old.fence);
  EXPECT_EQ(complete(anew), JobStatus::succeeded);
}

TEST_P(Jobs, AnyNumberOfJobsIsTakenBackAtOnce) {
  const auto a = make_daemon("a");
  for (int i = 0; i < 60; ++i) {
    insert(std::to_string(100 + i), "owner" + std::to_string(i));
    ASSERT_TRUE(take(a));
  }
  now_ += kLease + 1ms;
  EXPECT_THAT(sweep().requeued, SizeIs(60));
}

TEST_P(Jobs, AJobThatLosesDaemonAfterDaemonIsGivenUp) {
  const auto a = make_daemon("a");
  insert("1");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(take(a)) << i;
    now_ += kLease + 1ms;
    sweep();
  }
  EXPECT_EQ(job("1").status, JobStatus::failed);
  EXPECT_EQ(job("1").error->code(), "PROVISIONER_LOST");
  EXPECT_TRUE(job("1").dead_letter);
}

TEST_P(Jobs, ALostJobThatWasToBeCancelledIsCancelled) {
  insert("1");
  take(make_daemon("a"));
  cancel("1");
  now_ += kLease + 1ms;
  EXPECT_THAT(sweep().ended, SizeIs(1));
  EXPECT_EQ(job("1").status, JobStatus::cancelled);
}

TEST_P(Jobs, AnApplyThatCannotBeBegunAnewFailsWithItsStateKept) {
  insert(new_build("1"));
  const auto held = *take(make_daemon("a"));
  update(held, JobPhase::apply, false);
  now_ += kLease + 1ms;
  EXPECT_THAT(sweep().ended, SizeIs(1));
  EXPECT_EQ(job("1").error->code(), "PROVISIONER_LOST");
}

TEST_P(Jobs, ARepeatableApplyBeginsAnew) {
  insert(new_build("1"));
  const auto held = *take(make_daemon("a"));
  update(held, JobPhase::apply, true);
  now_ += kLease + 1ms;
  EXPECT_THAT(sweep().requeued, SizeIs(1));
}

TEST_P(Jobs, AnUpdateThatWasOvertakenDoesNotTakeBackThatItsApplyIsRepeatable) {
  insert(new_build("1"));
  const auto held = *take(make_daemon("a"));
  update(held, JobPhase::apply, true);
  update(held, JobPhase::setup, false);  // of before the provisioner had said so
  now_ += kLease + 1ms;
  EXPECT_THAT(sweep().requeued, SizeIs(1));
}

TEST_P(Jobs, WhileTerraformHasTheLockItMayWriteItsLastState) {
  insert(new_build("1"));
  const auto a = make_daemon("a");
  const auto held = *take(a);
  update(held, JobPhase::apply);
  lock_state_of("1");
  now_ += kLease + 1ms;
  EXPECT_THAT(sweep().salvaging, SizeIs(1));
  EXPECT_EQ(job("1").fence, held.fence) << "the state's token is still good";
  EXPECT_EQ(refusal([&] { update(held); }), "JOB_LEASE_LOST");
  EXPECT_EQ(refusal([&] { complete(held); }), "JOB_LEASE_LOST");
  EXPECT_EQ(taken(a), "");
  EXPECT_TRUE(sweep().empty());
  unlock_states();
  EXPECT_THAT(sweep().requeued, SizeIs(1));
  EXPECT_GT(take(a)->fence, held.fence);
}

TEST_P(Jobs, ALockThatAnEarlierHolderHasLeftKeepsNobody) {
  insert(new_build("1"));
  const auto a = make_daemon("a");
  take(a);
  lock_state_of("1");
  now_ += kLease + 1ms;
  sweep();
  update(*take(a), JobPhase::apply, true);
  now_ += kLease + 1ms;
  const auto swept = sweep();
  EXPECT_THAT(swept.salvaging, IsEmpty());
  EXPECT_THAT(swept.requeued, SizeIs(1));
}

// RUN-10: whoever reads the log learns why it begins anew.
TEST_P(Jobs, TheLogSaysThatADaemonWasLost) {
  insert("1");
  const auto a = make_daemon("a");
  for (int i = 0; i < 3; ++i) {
    take(a);
    now_ += kLease + 1ms;
    sweep();
  }
  database_->read_and_wait([&](Transaction& tx) {
    const auto log = read_log(tx, JobId("job_1"), 0, 10);
    ASSERT_THAT(log, SizeIs(3));
    EXPECT_THAT(log[0].output, HasSubstr("'a' was lost while it did the job: it begins anew"));
    EXPECT_EQ(log[0].level, LogLevel::warn);
    EXPECT_THAT(log[2].output, HasSubstr("for the last of its attempts"));
  });
  EXPECT_EQ(job("1").next_log, 3);
}

TEST_P(Jobs, ASalvageDoesNotLastForEver) {
  insert(new_build("1"));
  update(*take(make_daemon("a")), JobPhase::apply, true);
  lock_state_of("1");
  now_ += kLease + 1ms;
  sweep();
  now_ += kSalvageTime;
  EXPECT_THAT(sweep().ended, SizeIs(1));
  EXPECT_EQ(job("1").error->code(), "PROVISIONER_LOST");
  database_->read_and_wait([&](Transaction& tx) {
    EXPECT_THAT(tx.query("SELECT 1 FROM workspace_state_locks"), IsEmpty()) << "the lock is broken";
  });
}

TEST_P(Jobs, ADaemonThatSaysGoodbyeLosesItsJobsAtOnce) {
  const auto a = make_daemon("a");
  insert("1");
  take(a);
  write([&](Transaction& tx) { release_jobs_of(tx, a.id, key_.id, now_); });
  EXPECT_THAT(sweep().requeued, SizeIs(1));
}

// ---- jobs that no daemon could take

TEST_P(Jobs, JobsWithoutADaemonAreFoundByWhatTheyAskForAndGivenUpAfterLong) {
  make_daemon("a", {{"kind", "cpu"}});
  insert("1", "alice", {{"kind", "cpu"}});
  insert("2", "alice", {{"kind", "gpu"}});
  now_ += 1min;
  insert("3", "bob", {{"kind", "gpu"}});
  std::vector<Unserved> found;
  const auto look = [&] { database_->read_and_wait([&](Transaction& tx) { found = unserved_jobs(tx, kNow); }); };
  look();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found.front().name(), R"(terraform {"kind":"gpu"})");
  EXPECT_EQ(found.front().jobs, 2);
  EXPECT_EQ(found.front().oldest, kNow);
  write([&](Transaction& tx) { EXPECT_THAT(fail_unserved(tx, found.front(), kNow + 1s, 100, now_), SizeIs(1)); });
  EXPECT_EQ(job("2").error->code(), "NO_DAEMON");
  EXPECT_TRUE(job("2").dead_letter);
  EXPECT_EQ(job("3").status, JobStatus::pending);
  EXPECT_THAT(signals("2"), SizeIs(1));
  make_daemon("b", {{"kind", "gpu"}});
  look();
  EXPECT_THAT(found, IsEmpty());
}

TEST_P(Jobs, AreCounted) {
  const auto a = make_daemon("a");
  insert("1");
  insert("2");
  auto automatic = new_job("3");
  automatic.priority = JobPriority::automatic;
  insert(automatic);
  take(a);
  database_->read_and_wait([&](Transaction& tx) {
    const auto census = take_job_census(tx, now_);
    ASSERT_THAT(census.at_work, SizeIs(1));
    EXPECT_EQ(census.at_work.front().jobs, 1);
    ASSERT_THAT(census.waiting, SizeIs(3));
    EXPECT_EQ(census.waiting[0].jobs, 1);
    EXPECT_EQ(census.waiting[0].oldest, kNow);
    EXPECT_EQ(census.waiting[1].jobs, 1);
    EXPECT_EQ(census.waiting[2].jobs, 0);
    EXPECT_EQ(census.daemons.front().count, 1);
  });
}

TEST_P(Jobs, OldJobsGoWithTheirLogs) {
  insert("1");
  auto held = *take(make_daemon("a"));
  write([&](Transaction& tx) { append_own_line(tx, held, LogLevel::info, "Setting up", "hello", now_); });
  complete(held);
  now_ += kJobsKept + 1ms;
  std::int64_t forgotten = 0;
  write([&](Transaction& tx) { forgotten = forget_jobs(tx, now_); });
  EXPECT_EQ(forgotten, 1);
  database_->read_and_wait(
      [&](Transaction& tx) { EXPECT_THAT(tx.query("SELECT 1 FROM provisioner_job_logs"), IsEmpty()); });
}

}  // namespace
}  // namespace slipway::fleet
