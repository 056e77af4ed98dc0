// Daemons and their keys, on both databases.

#include "fleet/testing/job_world.h"

namespace slipway::fleet {
namespace {

// ---- daemons

TEST_P(Jobs, ADaemonOfAnotherVersionIsToldWhatToUpdate) {
  const auto version = [&](std::int64_t number) {
    return refusal([&] {
      write([&](Transaction& tx) {
        fleet::register_daemon(tx, {.name = "a", .api_version = number, .provisioners = {"terraform"}}, key_,
                               DaemonId("dmn_a"), now_);
      });
    });
  };
  EXPECT_EQ(version(kDaemonApiVersion - 1), "DAEMON_TOO_OLD");
  EXPECT_EQ(version(kDaemonApiVersion + 1), "HUB_TOO_OLD");
}

TEST_P(Jobs, AKeyBoundsTheTagsOfItsDaemons) {
  key_.tags = Tags{{"kind", "gpu"}};
  EXPECT_EQ(make_daemon("a", {{"kind", "gpu"}}).tags, (Tags{{"kind", "gpu"}}));
  EXPECT_EQ(refusal([&] { make_daemon("b", {{"kind", "cpu"}}); }), "TAGS_NOT_ALLOWED");
  EXPECT_EQ(refusal([&] { make_daemon("c", {{"zone", "a"}}); }), "TAGS_NOT_ALLOWED");
}

// RUN-3
TEST_P(Jobs, AProcessThatRegistersAgainReplacesItselfAndKeepsItsJobs) {
  const auto old = make_daemon("a", {}, {"terraform"}, "one process");
  insert("1");
  const auto held = take(old, "token");
  ASSERT_TRUE(held);
  cancel("1");
  const auto again = register_as("a2", "a", "one process");
  EXPECT_EQ(refusal([&] { write([&](Transaction& tx) { see_daemon(tx, old.id, key_.id, false, now_); }); }),
            "DAEMON_UNKNOWN");
  database_->read_and_wait([&](Transaction& tx) {
    EXPECT_THAT(list_daemons(tx, now_), SizeIs(1));
    EXPECT_EQ(find_daemon(tx, again.id, key_.id, now_).busy, 1);
    EXPECT_THAT(cancelled_jobs(tx, again.id, key_.id), ElementsAre("job_1"));
  });
  EXPECT_EQ(take(again, "token")->id, held->id);
  write([&](Transaction& tx) { release_jobs_of(tx, again.id, key_.id, now_); });
  EXPECT_FALSE(sweep().empty());
}

TEST_P(Jobs, TwoDaemonsOfOneNameLiveSideBySideUntilOneIsSilent) {
  const auto first = make_daemon("a", {}, {"terraform"}, "one process");
  register_as("b", "a", "another process");
  write([&](Transaction& tx) {
    EXPECT_NO_THROW(see_daemon(tx, first.id, key_.id, false, now_));
    EXPECT_THAT(list_daemons(tx, now_), SizeIs(2));
  });
  now_ += kDaemonSilence + 1ms;
  register_as("c", "a", "a third");
  database_->read_and_wait([&](Transaction& tx) { EXPECT_THAT(list_daemons(tx, now_), SizeIs(1)); });
}

// RUN-16: its poll from before the drain is still under way.
TEST_P(Jobs, ADaemonThatDrainsTakesNothingWhateverCallsOfItsComeLate) {
  const auto a = make_daemon("a");
  insert("1");
  Daemon seen;
  const auto see = [&](bool draining) {
    write([&](Transaction& tx) { seen = see_daemon(tx, a.id, key_.id, draining, now_); });
  };
  see(true);
  see(false);
  EXPECT_EQ(seen.status, DaemonStatus::draining);
  EXPECT_FALSE(take(seen));
  now_ += kDaemonSilence + 1ms;
  see(false);
  EXPECT_EQ(seen.status, DaemonStatus::draining);
}

TEST_P(Jobs, ADaemonIsSeenAndThenNot) {
  const auto a = make_daemon("a");
  const auto status = [&] {
    DaemonStatus found{};
    database_->read_and_wait([&](Transaction& tx) { found = list_daemons(tx, now_).front().status; });
    return found;
  };
  now_ += kDaemonSilence + 1ms;
  EXPECT_EQ(status(), DaemonStatus::offline);
  write([&](Transaction& tx) { see_daemon(tx, a.id, key_.id, true, now_); });
  EXPECT_EQ(status(), DaemonStatus::draining);
  write([&](Transaction& tx) { set_gone(tx, a.id, key_.id); });
  now_ += kDaemonsKept + 1ms;
  write([&](Transaction& tx) { EXPECT_EQ(forget_daemons(tx, now_), 1); });
}

}  // namespace
}  // namespace slipway::fleet
