#include "fleet/workspace_state.h"

#include <future>

#include "base/digest.h"
#include "fleet/build.h"
#include "fleet/state_access.h"
#include "fleet/state_token.h"
#include "fleet/testing/blocked_writer.h"
#include "fleet/testing/template_world.h"

namespace slipway::fleet {
namespace {

using testing::kNow;
using namespace std::chrono_literals;

const WorkspaceId kWorkspace{"w"};
const JobId kJob{"job_w-1"};

std::string terraform_state(std::int64_t serial, const std::string& lineage = "l") {
  return R"({"version":4,"serial":)" + std::to_string(serial) + R"(,"lineage":")" + lineage + R"(","resources":[]})";
}

class States : public testing::TemplateWorld {
 protected:
  States() { add_workspace("w"); }

  StateInfo put(std::int64_t build, const std::string& content, Instant now = kNow) {
    StateInfo info;
    write([&](Transaction& tx) { info = put_state(tx, {kWorkspace, build}, kJob, seal_state(sealer_, content), now); });
    return info;
  }
  std::string refusal_to_put(std::int64_t build, const std::string& content) {
    return refusal_of(
               [&](Transaction& tx) { put_state(tx, {kWorkspace, build}, kJob, seal_state(sealer_, content), kNow); })
        .code();
  }
  std::optional<std::string> get(std::int64_t build) {
    std::optional<std::string> content;
    read([&](Transaction& tx) { content = read_state(tx, sealer_, {kWorkspace, build}); });
    return content;
  }
  std::optional<StateLock> lock(const std::string& lock_id, const Job& job, std::int64_t fence) {
    std::optional<StateLock> holder;
    write([&](Transaction& tx) {
      holder = lock_state(tx, kWorkspace, {lock_id, R"({"ID":")" + lock_id + R"("})", job.id, fence, kNow});
    });
    return holder;
  }
};
INSTANTIATE_TEST_SUITE_P(On, States, testing::kBothDatabases, testing::database_name);

// RUN-12: the next build starts from what the one before left, one that is tried again from its own.
TEST_P(States, ABuildBeginsWithItsOwnStateElseWithTheNewestBefore) {
  EXPECT_EQ(get(1), std::nullopt);
  put(1, "one");
  EXPECT_EQ(get(3), "one");
  put(3, "three");
  EXPECT_EQ(get(1), "one");
  EXPECT_EQ(get(2), "one");
  EXPECT_EQ(get(3), "three");
  EXPECT_EQ(get(9), "three");
}

TEST_P(States, AreWrittenAgainAndAgainWhileABuildApplies) {
  put(1, "first");
  put(1, "second", kNow + 1s);
  const auto info = put(1, "second", kNow + 2s);
  EXPECT_EQ(info.writes, 2);
  EXPECT_EQ(info.sha256, base::sha256_hex("second"));
  EXPECT_EQ(info.size, 6);
  EXPECT_EQ(info.job_id, kJob);
  EXPECT_EQ(get(1), "second");
}

TEST_P(States, MayBeLargeAndOfAnyBytes) {
  std::string large(1'500'000, 'x');
  large[700'000] = '\0';
  large[700'001] = char(0xff);
  put(1, large);
  EXPECT_EQ(get(1), large);
  put(1, "small");
  EXPECT_EQ(get(1), "small");
  put(1, "");
  EXPECT_EQ(get(1), "");
}

// RUN-17
TEST_P(States, AreSealedAtRest) {
  put(1, "a secret");
  read([](Transaction& tx) {
    const auto row = tx.query("SELECT data FROM workspace_state_pieces").front();
    EXPECT_EQ(row.text(0).find("secret"), std::string::npos);
  });
}

TEST_P(States, AnOlderStateDoesNotOverwriteANewerOne) {
  put(1, terraform_state(5));
  put(1, terraform_state(6));
  EXPECT_EQ(refusal_to_put(1, terraform_state(5)), "STATE_BEHIND");
  EXPECT_EQ(refusal_to_put(2, terraform_state(1)), "STATE_BEHIND");
  EXPECT_EQ(refusal_to_put(2, terraform_state(9, "another")), "STATE_BEHIND");
  put(2, terraform_state(6));
  EXPECT_EQ(get(2), terraform_state(6));
}

// On SQLite one write comes after another.
class PostgresStates : public States {};
INSTANTIATE_TEST_SUITE_P(OnReplicas, PostgresStates, ::testing::Values(store::Dialect::postgres),
                         testing::database_name);

// Two writes of one job's state, as by two replicas, are one after the other: the older one is refused.
TEST_P(PostgresStates, OfTwoWritesAtOnceTheSecondSeesTheFirst) {
  const auto job = add_build("w");
  const auto elsewhere = store::open(url_);
  const auto older = seal_state(sealer_, terraform_state(5)), newer = seal_state(sealer_, terraform_state(6));
  const auto put_for_job = [&](Transaction& tx, const SealedState& state) {
    put_state(tx, state_access(tx, job.id, 1).place, job.id, state, kNow);
  };
  std::future<void> other;
  write([&](Transaction& tx) {
    put_for_job(tx, newer);
    other = std::async(std::launch::async,
                       [&] { elsewhere->write_and_wait([&](Transaction& later) { put_for_job(later, older); }); });
    testing::await_blocked_writer(tx);
  });
  EXPECT_THROW(other.get(), base::Error);
  EXPECT_EQ(get(1), terraform_state(6));
}

TEST_P(States, OnlyTheNewestAreKept) {
  for (std::int64_t build = 1; build <= kStatesKept + 3; ++build) put(build, std::to_string(build));
  read([](Transaction& tx) {
    const auto states = list_states(tx, kWorkspace);
    ASSERT_EQ(std::int64_t(states.size()), kStatesKept);
    EXPECT_EQ(states.front().build_number, kStatesKept + 3);
    EXPECT_EQ(states.back().build_number, 4);
    EXPECT_EQ(tx.query("SELECT COUNT(*) FROM workspace_state_pieces").front().integer(0), kStatesKept);
  });
}

// The known daemon's users ask to mend a state without a build.
TEST_P(States, AnAdminsStateIsWhatTheNextBuildBeginsWith) {
  put(1, terraform_state(9));
  write([&](Transaction& tx) { push_state(tx, kWorkspace, seal_state(sealer_, terraform_state(2)), kNow); });
  EXPECT_EQ(get(1), terraform_state(9));
  EXPECT_EQ(get(3), terraform_state(2));
  read([](Transaction& tx) {
    EXPECT_EQ(tx.query("SELECT build_number FROM built_workspaces").front().integer(0), 2);
    EXPECT_FALSE(list_states(tx, kWorkspace).front().job_id);
  });
}

TEST_P(States, AnAdminsStateWaitsForTheBuildAtWork) {
  const auto push = [&](Transaction& tx) { push_state(tx, kWorkspace, seal_state(sealer_, "x"), kNow); };
  add_build("w");
  EXPECT_EQ(refusal_of(push).code(), "CONFLICT");
  const auto push_elsewhere = [&](Transaction& tx) {
    push_state(tx, WorkspaceId("none"), seal_state(sealer_, "x"), kNow);
  };
  EXPECT_EQ(refusal_of(push_elsewhere).code(), "NOT_FOUND");
}

TEST_P(States, GoSomeTimeAfterTheirWorkspace) {
  const auto remove = [&](Instant before) {
    std::int64_t removed = -1;
    write([&](Transaction& tx) { removed = remove_states_of_gone_workspaces(tx, before); });
    return removed;
  };
  put(1, "one");
  EXPECT_EQ(remove(kNow + 1s), 0);
  write([](Transaction& tx) { tx.execute("DELETE FROM built_workspaces"); });
  EXPECT_EQ(remove(kNow), 0);
  EXPECT_EQ(remove(kNow + 1s), 1);
  EXPECT_EQ(get(1), std::nullopt);
}

// ---- the lock

TEST_P(States, HaveOneWriterAtATime) {
  const auto job = add_build("w");
  EXPECT_FALSE(lock("a", job, 1));
  EXPECT_FALSE(lock("a", job, 1)) << "the answer may have been lost";
  const auto holder = lock("b", job, 1);
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->info, R"({"ID":"a"})");
  write([](Transaction& tx) {
    EXPECT_FALSE(unlock_state(tx, kWorkspace, "b"));
    EXPECT_TRUE(unlock_state(tx, kWorkspace, "a"));
    EXPECT_TRUE(unlock_state(tx, kWorkspace, "a")) << "the answer may have been lost";
  });
  EXPECT_FALSE(lock("b", job, 1));
}

// A Terraform that was killed leaves its lock; its job is over, so nobody needs to break it by hand.
TEST_P(States, TheLockOfAJobThatIsOverIsTakenOver) {
  const auto job = add_build("w", 1), next = add_build("w", 2);
  EXPECT_FALSE(lock("a", job, 1));
  EXPECT_TRUE(lock("b", next, 1));
  set_job(job, "failed", 1);
  EXPECT_FALSE(lock("b", next, 1));
}

TEST_P(States, TheLockOfADaemonThatLostItsJobIsTakenOverByTheNextOne) {
  const auto job = add_build("w");
  EXPECT_FALSE(lock("a", job, 1));
  set_job(job, "running", 2);
  EXPECT_FALSE(lock("b", job, 2));
  read([](Transaction& tx) { EXPECT_EQ(find_lock(tx, kWorkspace)->fence, 2); });
  write([&](Transaction& tx) { break_lock_of_job(tx, job.id); });
  read([](Transaction& tx) { EXPECT_FALSE(find_lock(tx, kWorkspace)); });
}

// RUN-3, RUN-15
TEST_P(States, BelongToWhoHoldsTheJobAndInASalvageToTheHolderOfTheLockAlone) {
  const auto job = add_build("w");
  const auto access = [&](std::int64_t fence) -> std::string {
    try {
      StateAccess granted;
      write([&](Transaction& tx) { granted = state_access(tx, job.id, fence); });
      return granted.may_lock ? "all" : "without locks";
    } catch (const base::Error& error) {
      return error.code();
    }
  };
  EXPECT_EQ(access(1), "all");
  EXPECT_EQ(access(2), "JOB_LEASE_LOST");
  write([](Transaction& tx) { tx.execute("UPDATE provisioner_jobs SET salvage_until = 9"); });
  EXPECT_EQ(access(1), "JOB_LEASE_LOST") << "nothing was locked: there is nothing to save";
  EXPECT_FALSE(lock("a", job, 1));
  EXPECT_EQ(access(1), "without locks");
  write([](Transaction& tx) { break_lock(tx, kWorkspace); });
  EXPECT_EQ(access(1), "JOB_LEASE_LOST");
  write([](Transaction& tx) { tx.execute("UPDATE provisioner_jobs SET salvage_until = NULL, fence = 2"); });
  EXPECT_EQ(access(1), "JOB_LEASE_LOST");
  EXPECT_EQ(access(2), "all");
  set_job(job, "succeeded", 2);
  EXPECT_EQ(access(2), "JOB_LEASE_LOST");
  EXPECT_EQ(refusal_of([](Transaction& tx) { state_access(tx, JobId("job_none"), 1); }).code(), "NOT_FOUND");
}

// RUN-12, RUN-15: a daemon that was cut off for longer than anybody waits may still bring what it has made meanwhile.
TEST_P(States, TheLastOneOfALostDaemonsJobMayComeUntilSomethingElseBegins) {
  const auto job = add_build("w", 1);
  write([&](Transaction& tx) { set_build_job(tx, *job.build_id, job.id); });
  const auto access = [&](std::int64_t fence) -> std::string {
    try {
      StateAccess granted;
      write([&](Transaction& tx) { granted = last_state_access(tx, job.id, fence); });
      EXPECT_EQ(granted.place.build_number, 1);
      EXPECT_NE(granted.may_lock, granted.is_late);
      return granted.is_late ? "late" : "in time";
    } catch (const base::Error& error) {
      return error.code();
    }
  };
  EXPECT_EQ(access(1), "in time");
  set_job(job, "failed", 1);
  EXPECT_EQ(access(1), "JOB_LEASE_LOST") << "it failed by itself, and has told its state";
  const auto fail_the_build = [](Transaction& tx) { tx.execute("UPDATE workspace_builds SET status = 'failed'"); };
  write([&](Transaction& tx) {
    tx.execute("UPDATE provisioner_jobs SET error_code = 'PROVISIONER_LOST'");
    fail_the_build(tx);
  });
  EXPECT_EQ(access(1), "late");
  EXPECT_EQ(access(2), "JOB_LEASE_LOST");
  EXPECT_EQ(refusal_of([&](Transaction& tx) { state_access(tx, job.id, 1); }).code(), "JOB_LEASE_LOST");
  write([](Transaction& tx) { tx.execute("UPDATE built_workspaces SET build_number = 2"); });
  EXPECT_EQ(access(1), "JOB_LEASE_LOST") << "there is a newer build";
  write([&](Transaction& tx) {
    tx.execute("UPDATE built_workspaces SET build_number = 1");
    retry_build(tx, *job.build_id, RunId("run_2"));
  });
  EXPECT_EQ(access(1), "JOB_LEASE_LOST") << "the same build is done again";
  write([&](Transaction& tx) {
    set_build_job(tx, *job.build_id, JobId("job_again"));
    fail_the_build(tx);
  });
  EXPECT_EQ(access(1), "JOB_LEASE_LOST") << "another job has had it since";
}

TEST(StateToken, IsGoodForItsJobAndTellsItsFence) {
  const Sealer sealer{base::Secret(std::string(32, 'k'))}, other{base::Secret(std::string(32, 'x'))};
  const auto token = make_state_token(sealer, kJob, 7).reveal();
  EXPECT_EQ(state_token_fence(sealer, kJob, token), 7);
  EXPECT_EQ(state_token_fence(sealer, JobId("job_other"), token), std::nullopt);
  EXPECT_EQ(state_token_fence(other, kJob, token), std::nullopt);
  auto raised = token;
  raised.replace(raised.find('7'), 1, "8");
  EXPECT_EQ(state_token_fence(sealer, kJob, raised), std::nullopt);
  for (const auto* wrong : {"", "sls_", "sls_7", "sls_7_", "sls__", "slk_7_x"})
    EXPECT_EQ(state_token_fence(sealer, kJob, wrong), std::nullopt) << wrong;
}

}  // namespace
}  // namespace slipway::fleet
