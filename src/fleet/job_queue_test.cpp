// The line of jobs, on both databases: who gets which job and why another waits (RUN-3 to RUN-5).

#include <mutex>
#include <set>
#include <thread>

#include "fleet/testing/job_world.h"

namespace slipway::fleet {
namespace {

INSTANTIATE_TEST_SUITE_P(OnBoth, Jobs, ::testing::Values(Dialect::sqlite, Dialect::postgres),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgres"; });

// ---- taking (the known acquirer's cases)

TEST_P(Jobs, NobodyGetsAJobWhereThereIsNone) { EXPECT_EQ(taken(make_daemon("a")), ""); }

TEST_P(Jobs, OneDaemonOnlyGetsAJob) {
  const auto a = make_daemon("a"), b = make_daemon("b");
  insert("1");
  EXPECT_EQ(taken(a), "1");
  EXPECT_EQ(taken(b), "");
  EXPECT_EQ(job("1").attempt, 1);
  EXPECT_EQ(job("1").daemon_name, "a");
}

TEST_P(Jobs, AJobIsInsertedOnceUnderItsId) {
  insert("1");
  insert("1");
  database_->read_and_wait([&](Transaction& tx) { EXPECT_EQ(count_jobs(tx, kAll, {}), 1); });
}

TEST_P(Jobs, ItsValuesAreSealedAndComeBack) {
  insert("1");
  database_->read_and_wait([&](Transaction& tx) {
    EXPECT_EQ(job_values(tx, sealer_, JobId("job_1")).variables.front().value, "tiger");
    const auto row = tx.query("SELECT sealed_values FROM provisioner_jobs").front();
    EXPECT_THAT(row.text(0), ::testing::Not(HasSubstr("tiger")));
  });
}

// RUN-17: nobody needs them any more.
TEST_P(Jobs, ItsValuesGoWithItsEnd) {
  insert("1");
  insert("2");
  complete(*take(make_daemon("a")));
  cancel("2");
  database_->read_and_wait([&](Transaction& tx) {
    for (const auto& row : tx.query("SELECT sealed_values FROM provisioner_jobs")) EXPECT_EQ(row.text(0), "");
    EXPECT_THAT(job_values(tx, sealer_, JobId("job_1")).variables, IsEmpty());
  });
}

// RUN-4
TEST_P(Jobs, TagsOfAJobAreAmongThoseOfItsDaemon) {
  const auto plain = make_daemon("plain");
  const auto gpu = make_daemon("gpu", {{"kind", "gpu"}, {"zone", "a"}});
  insert("1", "alice", {{"kind", "gpu"}});
  insert("2", "alice", {{"kind", "cpu"}});
  EXPECT_EQ(taken(plain), "");
  EXPECT_EQ(taken(gpu), "1");
  EXPECT_EQ(taken(gpu), "");
  insert("3");
  EXPECT_EQ(taken(gpu), "3");
}

TEST_P(Jobs, ADaemonGetsJobsOfItsProvisionersOnly) {
  const auto scripted = make_daemon("scripted", {}, {"scripted"});
  const auto both = make_daemon("both", {}, {"scripted", "terraform"});
  insert("1");
  EXPECT_EQ(taken(scripted), "");
  EXPECT_EQ(taken(both), "1");
}

TEST_P(Jobs, AnAcquireWhoseAnswerWasLostGivesTheSameJobAgain) {
  const auto a = make_daemon("a");
  insert("1");
  insert("2");
  const auto first = take(a, "token"), again = take(a, "token");
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->id, again->id);
  EXPECT_EQ(first->fence, again->fence);
  complete(*first);
  EXPECT_EQ(take(a, "token")->id.str(), "job_2");
}

TEST_P(Jobs, ADrainingDaemonGetsNothingNew) {
  auto a = make_daemon("a");
  insert("1");
  a.status = DaemonStatus::draining;
  EXPECT_EQ(taken(a), "");
}

TEST_P(Jobs, AJobThatWasCancelledWhileItWaitedIsNeverTaken) {
  insert("1");
  EXPECT_TRUE(cancel("1"));
  EXPECT_EQ(taken(make_daemon("a")), "");
  EXPECT_EQ(job("1").status, JobStatus::cancelled);
  EXPECT_FALSE(cancel("1"));
  EXPECT_THAT(signals("1"), ElementsAre(HasSubstr("\"cancelled\"")));
}

// RUN-5
TEST_P(Jobs, WhoeverWaitsGoesBeforeWhatHappensByItself) {
  auto prebuild = new_job("1"), automatic = new_job("2"), person = new_job("3");
  prebuild.priority = JobPriority::prebuild;
  automatic.priority = JobPriority::automatic;
  for (const auto& each : {prebuild, automatic, person}) insert(each);
  const auto a = make_daemon("a");
  EXPECT_EQ(taken(a), "3");
  EXPECT_EQ(taken(a), "2");
  EXPECT_EQ(taken(a), "1");
}

TEST_P(Jobs, OwnersTakeTurns) {
  for (const auto* id : {"a1", "a2", "a3"}) insert(id, "alice");
  insert("b1", "bob");
  const auto a = make_daemon("a");
  EXPECT_EQ(taken(a), "a1");
  EXPECT_EQ(taken(a), "b1");
  EXPECT_EQ(taken(a), "a2");
  insert("c1", "carol");  // does not go before what waited longer in the same turn
  EXPECT_EQ(taken(a), "c1");
  EXPECT_EQ(taken(a), "a3");
}

// Whatever comes when: between two jobs of an owner who waits, no other owner who waits gets more than one or two.
TEST_P(Jobs, NoOwnerIsPassedOverOftenWhoeverFillsTheQueue) {
  const auto a = make_daemon("a");
  base::SeededRandom random(7);
  int made = 0;
  const std::vector<std::string> owners{"alice", "bob", "carol", "dave"};
  std::map<std::string, std::multiset<std::string>> waiting;
  std::map<std::string, std::map<std::string, int>> passed;  // of an owner who waits: takes of each other since
  for (int step = 0; step < 150; ++step) {
    if (random.below(5) < 3) {
      const auto& owner = random.below(2) == 0 ? owners[0] : owners[random.below(owners.size())];
      const auto id = std::to_string(1'000 + made++);
      if (waiting[owner].empty()) passed[owner].clear();
      waiting[owner].insert(id);
      insert(id, owner);
      continue;
    }
    const auto id = taken(a);
    if (id.empty()) continue;
    const auto owner = job(id).owner_id.str();
    ASSERT_EQ(waiting[owner].erase(id), 1u);
    passed[owner].clear();
    for (const auto& [other, jobs] : waiting) {
      if (other == owner || jobs.empty()) continue;
      ASSERT_LE(++passed[other][owner], 2) << owner << " passes " << other << " in step " << step;
    }
  }
}

TEST_P(Jobs, AnOwnerHasNoMoreThanTheCapAtOnce) {
  limits_.per_owner = 1;
  insert("a1", "alice");
  insert("a2", "alice");
  insert("b1", "bob");
  const auto a = make_daemon("a");
  const auto first = take(a);
  EXPECT_EQ(taken(a), "b1");
  EXPECT_EQ(taken(a), "");
  EXPECT_EQ(standing("a2").reason, PendingReason::owner_cap);
  complete(*first);
  EXPECT_EQ(taken(a), "a2");
}

TEST_P(Jobs, ATemplateHasNoMoreThanItsCapAtOnce) {
  write([&](Transaction& tx) {
    tx.execute(
        "INSERT INTO templates (id, name, display_name, description, icon, jobs_max, owner_id, version, "
        "created_at, updated_at) VALUES ('tpl_1', 'one', '', '', '', 1, 'usr_1', 1, 0, 0)");
  });
  insert("1");
  insert("2", "bob");
  const auto a = make_daemon("a");
  EXPECT_EQ(taken(a), "1");
  EXPECT_EQ(taken(a), "");
  EXPECT_EQ(standing("2").reason, PendingReason::template_cap);
}

// ---- why it waits (RUN-4)

TEST_P(Jobs, AJobThatNothingCanTakeSaysWhatIsMissing) {
  insert("1", "alice", {{"kind", "gpu"}, {"zone", "a"}});
  EXPECT_EQ(standing("1").reason, PendingReason::no_daemon);
  make_daemon("scripted", {{"kind", "gpu"}}, {"scripted"});
  EXPECT_THAT(standing("1").explanation, HasSubstr("scripted has scripted"));
  make_daemon("plain");
  make_daemon("near", {{"zone", "a"}});
  const auto found = standing("1");
  EXPECT_EQ(found.reason, PendingReason::tags_missing);
  EXPECT_THAT(found.explanation, HasSubstr("'near', lacks kind=gpu"));
  EXPECT_EQ(found.missing_tags, (Tags{{"kind", "gpu"}}));
  EXPECT_THAT(found.daemons, SizeIs(3));
  EXPECT_TRUE(nobody_can_take(found));
}

TEST_P(Jobs, AJobSaysHowManyAreAheadAndThatAllAreBusy) {
  const auto a = make_daemon("a");
  for (const auto* id : {"1", "2", "3"}) insert(id);
  EXPECT_EQ(standing("1").reason, PendingReason::next);
  EXPECT_EQ(taken(a), "1");
  EXPECT_EQ(standing("3").reason, PendingReason::all_busy);
  EXPECT_EQ(standing("3").ahead, 1);
  now_ += kDaemonSilence + 1ms;
  EXPECT_EQ(standing("3").reason, PendingReason::no_daemon) << "who is silent for long is not there";
}

TEST_P(Jobs, OfAPageEachIsToldWhatItIsToldAlone) {
  const auto a = make_daemon("a");
  const Tags gpu{{"kind", "gpu"}};
  insert("1");
  EXPECT_EQ(taken(a), "1");
  for (const auto* id : {"2", "5", "6"}) insert(id, "alice");
  for (const auto* id : {"3", "7"}) insert(id, "bob");
  for (const auto* id : {"4", "8"}) insert(id, "bob", gpu);
  database_->read_and_wait([&](Transaction& tx) {
    const auto jobs = list_jobs(tx, kAll, {.statuses = {}, .limit = 4});
    ASSERT_THAT(jobs, SizeIs(4));
    const JobStandings standings(tx, jobs, limits_, now_);
    for (const auto& job : jobs) {
      const auto alone = standing_of(tx, job, limits_, now_);
      EXPECT_EQ(standings.of(job).ahead, alone.ahead) << job.id.str();
      EXPECT_EQ(standings.of(job).explanation, alone.explanation) << job.id.str();
    }
  });
}

// ---- several replicas

class PostgresJobs : public Jobs {};
INSTANTIATE_TEST_SUITE_P(OnReplicas, PostgresJobs, ::testing::Values(Dialect::postgres),
                         [](const auto&) { return "Postgres"; });

// Each job goes to one daemon, no cap is passed, and nobody waits for the other for ever: whatever comes together.
TEST_P(PostgresJobs, ReplicasTakeAndEndJobsTogether) {
  limits_.per_owner = 2;
  const std::vector<std::string> owners{"alice", "bob", "carol"};
  constexpr int kJobs = 45;
  for (int i = 0; i < kJobs; ++i) insert(std::to_string(100 + i), owners[std::size_t(i) % owners.size()]);
  std::mutex mutex;
  std::set<std::string> done;
  const auto work = [&](store::Database& database, const Daemon& daemon) {
    for (int number = 0;; ++number) {
      {
        const std::lock_guard lock(mutex);
        if (done.size() == kJobs) return;
      }
      std::optional<Job> job;
      std::int64_t at_once = 0;
      database.write_and_wait([&](Transaction& tx) {
        job = take_job(tx, daemon, daemon.name + std::to_string(number), limits_, now_);
        if (job)
          at_once = tx.query("SELECT COUNT(*) FROM provisioner_jobs WHERE status = 'running' AND owner_id = $1",
                             {job->owner_id.str()})
                        .front()
                        .integer(0);
      });
      if (!job) continue;
      EXPECT_LE(at_once, limits_.per_owner);
      database.write_and_wait([&](Transaction& tx) {
        complete_job(tx, job->id, key_.id, {.fence = job->fence, .template_import = ImportOutcome{}}, now_);
      });
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(done.insert(job->id.str()).second) << job->id.str() << " was given to two";
    }
  };
  const auto other = store::open(url_);
  const std::vector<Daemon> daemons{make_daemon("a"), make_daemon("b"), make_daemon("c"), make_daemon("d")};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < daemons.size(); ++i)
    threads.emplace_back(work, std::ref(i % 2 == 0 ? *database_ : *other), std::cref(daemons[i]));
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(done, SizeIs(kJobs));
}

}  // namespace
}  // namespace slipway::fleet
