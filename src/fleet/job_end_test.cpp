// How jobs end, once, whatever is said again or late (RUN-13, RUN-14).

#include "fleet/testing/job_world.h"

namespace slipway::fleet {
namespace {

// ---- how it ends (the known server's cases)

TEST_P(Jobs, ACompletionIsOnceAndMayBeSaidTwice) {
  insert("1");
  const auto held = take(make_daemon("a"));
  EXPECT_EQ(complete(*held), JobStatus::succeeded);
  EXPECT_EQ(complete(*held), JobStatus::succeeded);
  EXPECT_THAT(signals("1"), SizeIs(1));
  EXPECT_EQ(refusal([&] { fail(*held, base::ErrorClass::user); }), "JOB_ENDED") << "a success stays one";
  EXPECT_EQ(refusal([&] { update(*held); }), "JOB_ENDED");
  EXPECT_EQ(job("1").status, JobStatus::succeeded);
}

TEST_P(Jobs, AFailureStaysOneThoughACompletionComesLate) {
  insert("1");
  const auto held = take(make_daemon("a"));
  EXPECT_EQ(fail(*held, base::ErrorClass::user), JobStatus::failed);
  EXPECT_EQ(fail(*held, base::ErrorClass::user), JobStatus::failed);
  EXPECT_EQ(refusal([&] { complete(*held); }), "JOB_ENDED");
  EXPECT_EQ(job("1").error->code(), "BROKEN");
  EXPECT_FALSE(job("1").dead_letter);
}

TEST_P(Jobs, NobodyElseMaySayAnythingAboutAJob) {
  insert("1");
  auto held = *take(make_daemon("a"));
  const auto with_key = [&](const std::string& id) {
    write([&](Transaction& tx) { held_job(tx, held.id, held.fence, DaemonKeyId(id)); });
  };
  EXPECT_EQ(refusal([&] { with_key("dky_2"); }), "JOB_LEASE_LOST");
  ++held.fence;
  EXPECT_EQ(refusal([&] { complete(held); }), "JOB_LEASE_LOST");
  held.id = JobId("job_unknown");
  EXPECT_EQ(refusal([&] { complete(held); }), "NOT_FOUND");
}

TEST_P(Jobs, AJobThatNobodyTookCannotBeUpdated) {
  insert("1");
  EXPECT_EQ(refusal([&] { update(job("1")); }), "JOB_LEASE_LOST");
}

TEST_P(Jobs, AnOutcomeOfAnotherKindIsRefused) {
  insert(new_build("1"));
  const auto held = *take(make_daemon("a"));
  EXPECT_EQ(refusal([&] {
              write([&](Transaction& tx) {
                complete_job(tx, held.id, key_.id, {.fence = held.fence, .dry_run = DryRunOutcome{}}, now_);
              });
            }),
            "VALIDATION_ERROR");
}

// RUN-13
TEST_P(Jobs, ABuildWhoseLastStateIsNotKeptCannotComplete) {
  insert(new_build("1"));
  const auto held = *take(make_daemon("a"));
  CompletedJob outcome{.fence = held.fence, .build = BuildOutcome{.state = "abc"}};
  const auto say = [&] { write([&](Transaction& tx) { complete_job(tx, held.id, key_.id, outcome, now_); }); };
  EXPECT_EQ(refusal(say), "STATE_MISMATCH");
  write([&](Transaction& tx) {
    tx.execute(
        "INSERT INTO workspace_states (workspace_id, build_number, writes, sha256, size, job_id, created_at, "
        "updated_at) VALUES ('ws_1', 1, 1, 'abc', 3, 'job_1', 0, 0)");
  });
  EXPECT_EQ(refusal(say), "");
}

// RUN-14
TEST_P(Jobs, ATransientFailureIsTriedAgainLaterAndThenGivenUp) {
  insert("1");
  const auto a = make_daemon("a");
  EXPECT_EQ(fail(*take(a), base::ErrorClass::transient), JobStatus::pending);
  EXPECT_EQ(taken(a), "");
  const auto waiting = standing("1");
  EXPECT_EQ(waiting.reason, PendingReason::retry);
  EXPECT_EQ(waiting.until, now_ + kBackOff);
  now_ += kBackOff;
  EXPECT_EQ(fail(*take(a), base::ErrorClass::transient), JobStatus::pending);
  now_ += kBackOffMax;
  EXPECT_EQ(fail(*take(a), base::ErrorClass::transient), JobStatus::failed);
  EXPECT_TRUE(job("1").dead_letter);
  EXPECT_EQ(open_alerts(), 1);
  EXPECT_THAT(signals("1"), SizeIs(1));
}

// RUN-9
TEST_P(Jobs, ACancelHasThreeOutcomes) {
  const auto a = make_daemon("a");
  for (const auto* id : {"1", "2", "3"}) insert(id);
  const auto cancelled = *take(a), failed = *take(a), finished = *take(a);
  for (const auto* id : {"1", "2", "3"}) EXPECT_TRUE(cancel(id));
  database_->read_and_wait(
      [&](Transaction& tx) { EXPECT_THAT(cancelled_jobs(tx, a.id, key_.id), ElementsAre("job_1", "job_2", "job_3")); });
  EXPECT_EQ(fail(cancelled, base::ErrorClass::user, true), JobStatus::cancelled);
  EXPECT_EQ(fail(failed, base::ErrorClass::transient), JobStatus::failed) << "nothing is begun anew after a cancel";
  EXPECT_EQ(complete(finished), JobStatus::succeeded);
  EXPECT_THAT(signals("3"), ElementsAre(HasSubstr("\"finishedBeforeCancel\":true")));
}

}  // namespace
}  // namespace slipway::fleet
