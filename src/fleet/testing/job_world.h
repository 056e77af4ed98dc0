#pragma once
// Jobs, daemons and what is asked of them, on a database of the test's own: for the tests of the queue.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleet/alert.h"
#include "fleet/daemon.h"
#include "fleet/job_queue.h"
#include "fleet/job_standing.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {

using namespace std::chrono_literals;
using store::Dialect;
using store::Transaction;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Tags = std::map<std::string, std::string>;

inline const Instant kNow = base::from_unix_ms(1'700'000'000'000);
inline const Scope kAll = Scope::everything("a test");

// Instantiated in job_queue_test.cpp.
class Jobs : public ::testing::TestWithParam<Dialect> {
 protected:
  Jobs()
      : url_(GetParam() == Dialect::sqlite ? (folder_.path() / "slipway.db").string()
                                           : store::testing::PostgresCluster::shared().create_database()),
        database_(store::open(url_)) {
    write([&](Transaction& tx) { insert_daemon_key(tx, key_, "hash"); });
  }

  void write(store::Work work) { database_->write_and_wait(std::move(work)); }

  Daemon make_daemon(const std::string& name, const Tags& tags = {},
                     const std::vector<std::string>& provisioners = {"terraform"}, const std::string& instance = "") {
    return register_daemon(
        "dmn_" + name,
        {.name = name, .version = "1", .provisioners = provisioners, .tags = tags, .instance = instance});
  }
  Daemon register_as(const std::string& id, const std::string& name, const std::string& instance) {
    return register_daemon("dmn_" + id, {.name = name, .provisioners = {"terraform"}, .instance = instance});
  }
  Daemon register_daemon(const std::string& id, const RegisterDaemon& request) {
    Daemon daemon;
    write([&](Transaction& tx) { daemon = fleet::register_daemon(tx, request, key_, DaemonId(id), now_); });
    return daemon;
  }

  NewJob new_job(const std::string& id, const std::string& owner = "alice", const Tags& tags = {}) {
    return {.id = JobId("job_" + id),
            .type = JobType::template_import,
            .provisioner = "terraform",
            .tags = tags,
            .owner_id = UserId(owner),
            .requested_by = UserId(owner),
            .requested_by_name = owner,
            .template_id = TemplateId("tpl_1"),
            .version_id = TemplateVersionId("tpv_1"),
            .run_id = RunId("run_" + id),
            .archive = "abc",
            .values = {.variables = {{"token", "tiger", true}}, .parameters = {}, .previous_parameters = {}}};
  }
  NewJob new_build(const std::string& id) {
    auto job = new_job(id);
    job.type = JobType::workspace_build;
    job.workspace_id = WorkspaceId("ws_" + id);
    job.build_id = BuildId("bld_" + id);
    job.metadata.build_number = 1;
    return job;
  }
  void insert(const NewJob& job) {
    write([&](Transaction& tx) { insert_job(tx, sealer_, job, now_); });
  }
  void insert(const std::string& id, const std::string& owner = "alice", const Tags& tags = {}) {
    insert(new_job(id, owner, tags));
  }

  std::optional<Job> take(const Daemon& daemon, const std::string& token = "") {
    std::optional<Job> job;
    const auto word = token.empty() ? "token-" + std::to_string(++tokens_) : token;
    write([&](Transaction& tx) { job = take_job(tx, daemon, word, limits_, now_); });
    return job;
  }
  std::string taken(const Daemon& daemon) {
    const auto job = take(daemon);
    return job ? job->id.str().substr(4) : "";
  }
  void update(const Job& job, JobPhase phase = JobPhase::plan, bool repeatable = false) {
    write([&](Transaction& tx) {
      auto held = held_job(tx, job.id, job.fence, key_.id);
      renew_lease(tx, held, {.fence = job.fence, .phase = phase, .repeatable = repeatable}, limits_, now_);
    });
  }
  JobStatus complete(const Job& job) {
    JobStatus status{};
    CompletedJob outcome{.fence = job.fence};
    if (job.type == JobType::workspace_build)
      outcome.build.emplace();
    else
      outcome.template_import.emplace();
    write([&](Transaction& tx) { status = complete_job(tx, job.id, key_.id, outcome, now_).status; });
    return status;
  }
  JobStatus fail(const Job& job, base::ErrorClass error_class, bool cancelled = false) {
    JobStatus status{};
    const FailedJob failed{.fence = job.fence,
                           .code = "BROKEN",
                           .error_class = error_class,
                           .message = "it broke",
                           .cancelled = cancelled};
    write([&](Transaction& tx) { status = fail_job(tx, job.id, key_.id, failed, now_).status; });
    return status;
  }
  bool cancel(const std::string& id) {
    bool done = false;
    write([&](Transaction& tx) { done = request_job_cancel(tx, JobId("job_" + id), "bob", now_); });
    return done;
  }
  Swept sweep() {
    Swept swept;
    write([&](Transaction& tx) { swept = sweep_lost_jobs(tx, now_, 100); });
    return swept;
  }
  Job job(const std::string& id) {
    std::optional<Job> found;
    database_->read_and_wait([&](Transaction& tx) { found = find_job(tx, kAll, JobId("job_" + id)); });
    return found.value();
  }
  JobStanding standing(const std::string& id) {
    JobStanding found;
    const auto about = job(id);
    database_->read_and_wait([&](Transaction& tx) { found = standing_of(tx, about, limits_, now_); });
    return found;
  }
  std::vector<std::string> signals(const std::string& id) {
    std::vector<std::string> payloads;
    database_->read_and_wait([&](Transaction& tx) {
      for (const auto& row :
           tx.query("SELECT payload FROM run_inputs WHERE run_id = $1 AND name = 'job-ended'", {"run_" + id}))
        payloads.push_back(row.text(0));
    });
    return payloads;
  }
  std::int64_t open_alerts() {
    std::int64_t count = 0;
    database_->read_and_wait([&](Transaction& tx) {
      count = count_alerts(tx, kAll, {.states = {AlertState::open}, .kind = "job.dead_letter"});
    });
    return count;
  }
  void lock_state_of(const std::string& id) {
    write([&](Transaction& tx) {
      tx.execute(
          "INSERT INTO workspace_state_locks (workspace_id, lock_id, info, job_id, fence, locked_at) "
          "VALUES ($1, 'lock', '{}', $2, 1, 0)",
          {"ws_" + id, "job_" + id});
    });
  }
  void unlock_states() {
    write([&](Transaction& tx) { tx.execute("DELETE FROM workspace_state_locks"); });
  }

  template <class Deed>
  std::string refusal(Deed deed) {
    try {
      deed();
    } catch (const base::Error& error) {
      return error.code();
    }
    return "";
  }

  store::testing::TemporaryFolder folder_;
  const std::string url_;
  std::unique_ptr<store::Database> database_;
  Sealer sealer_{base::Secret(std::string(32, 'k'))};
  DaemonKey key_{.id = DaemonKeyId("dky_1"), .name = "main", .created_by = "usr_1", .created_at = kNow};
  QueueLimits limits_;
  Instant now_ = kNow;
  int tokens_ = 0;
};

}  // namespace slipway::fleet
